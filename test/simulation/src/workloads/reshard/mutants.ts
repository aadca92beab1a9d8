import type { Statement } from '@stoa/kernel'
import type { TableShape } from '@stoa/sharding'

import type { Mutant } from '../../workload.ts'
import type { Safeguards } from './engine.ts'
import type { Trigger } from './schema.ts'

/** What a mutant takes away, and where. */
export type Change = {
  /** Triggers of a shard have another text. */
  readonly trigger?: (trigger: Trigger) => string
  /** Tables that a move forgets. */
  readonly withoutTables?: readonly string[]
  /** Batches reach a shard in another form. */
  readonly rewrite?: (statements: readonly Statement[]) => readonly Statement[]
  /** Safeguards of the move engine, by their names there. */
  readonly safeguards?: readonly (keyof Safeguards)[]
}

const isGuard = /^INSERT INTO _guard/

function withoutGuard(statements: readonly Statement[]): readonly Statement[] {
  return statements.map((each) => (isGuard.test(each.sql) ? { sql: 'SELECT 1', args: [] } : each))
}

/** The shard says that it serves whatever it is asked for. */
function withoutReadCheck(statements: readonly Statement[]): readonly Statement[] {
  return statements.map(({ sql, args }) => {
    if (!sql.startsWith('SELECT (SELECT state')) return { sql, args }
    // The bindings stay in use.
    const bindings = sql.includes('?2') ? '?1 || ?2' : '?1'
    const word = `SELECT 'serving|1|' || substr(${bindings}, 1, 0) _o, q`
    return { sql: replaced(sql, /^SELECT \(SELECT state[^]*? LIMIT 1\) _o, q/, word), args }
  })
}

/** The text with `from` replaced; a mutant that changes nothing would prove nothing. */
function replaced(text: string, from: RegExp, to: string): string {
  const made = text.replace(from, to)
  if (made === text) throw new Error(`Cannot mutate: ${String(from)} is not in ${text}`)
  return made
}

function withoutRefusal({ name, sql }: Trigger): string {
  if (!/_(ins|upd|del)$/.test(name)) return sql
  return replaced(sql, /ELSE json_extract\([^;]*END;/, 'ELSE job IS NOT NULL END;')
}

function withoutCapture(event: string): (trigger: Trigger) => string {
  return ({ name, sql }) =>
    name.endsWith(event) ? replaced(sql, /THEN job IS NOT NULL/, 'THEN false') : sql
}

type Mutation = Mutant & { readonly change: Change }

/** Most faults in a copy would be found by comparing it: these are taken away with the comparison. */
const engine = (
  name: keyof Safeguards,
  says: string,
  besides: readonly (keyof Safeguards)[] = [],
): Mutation => ({
  name: [name, ...besides].join(' + '),
  says,
  change: { safeguards: [name, ...besides] },
})

/** Each takes one safeguard away, or one with the other that would stand in for it. */
export const mutations: readonly Mutation[] = [
  {
    name: 'no fence',
    says: 'a shard takes writes for keys that it does not own',
    change: { trigger: withoutRefusal, rewrite: withoutGuard },
  },
  {
    name: 'no read check',
    says: 'a shard answers reads for keys that it does not own',
    change: { rewrite: withoutReadCheck },
  },
  {
    name: 'no capture of inserts',
    says: 'rows inserted during a copy are not written down',
    change: { trigger: withoutCapture('_ins'), safeguards: ['verify'] },
  },
  {
    name: 'no capture of updates',
    says: 'rows changed during a copy are not written down',
    change: { trigger: withoutCapture('_upd'), safeguards: ['verify'] },
  },
  {
    name: 'no capture of deletes',
    says: 'rows deleted during a copy are not written down',
    change: { trigger: withoutCapture('_del'), safeguards: ['verify'] },
  },
  {
    name: 'idempotency stays',
    says: 'the rows by which a retry finds itself do not move',
    change: { withoutTables: ['idempotency'] },
  },
  {
    name: 'outbox stays',
    says: 'events that nobody has published do not move',
    change: { withoutTables: ['outbox'] },
  },
  engine('captureFirst', 'the copy begins before changes are captured', ['verify']),
  {
    ...engine('chunkGuard', 'a chunk is written wherever and whenever it comes', ['verify']),
    plan: 'echoes',
  },
  {
    ...engine('appliedGuard', 'a replay counts whatever was replayed since', ['verify']),
    plan: 'echoes',
  },
  engine('oneSnapshot', 'what is replayed and how far are read apart', ['verify']),
  engine('freeze', 'writes go on during the last replay', ['verify']),
  engine('finalReplay', 'what was captured just before the freeze is forgotten', ['verify']),
  engine('verifyContent', 'the copies are compared by count', ['finalReplay']),
  engine('stepGuard', 'a late command counts, whatever happened since'),
  engine('knownHandOff', 'the new owner opens without asking the old'),
  {
    ...engine('abortArbiter', 'an abort does not ask whether it is too late'),
    plan: 'regrets',
  },
  { ...engine('tombstones', 'a move that ends is forgotten'), plan: 'echoes' },
  { ...engine('purgeGuard', 'rows are deleted whoever owns them', ['verify']), plan: 'echoes' },
  engine('cleanAfterOpen', 'the old copy is deleted before the new one opens'),
]

export function changeOf(mutant: string | undefined): Change {
  if (mutant === undefined) return {}
  const found = mutations.find(({ name }) => name === mutant)
  if (found === undefined)
    throw new RangeError(`Cannot mutate "${mutant}": there is no such mutant`)
  return found.change
}

/** The tables that move, but for those that a mutant forgets. */
export function movedBy({ withoutTables = [] }: Change, shapes: readonly TableShape[]) {
  return shapes.filter(({ name }) => !withoutTables.includes(name))
}
