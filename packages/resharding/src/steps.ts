import type { Call, SqlShard, SqlValue, Statement } from '@stoa/kernel'

import type { Context, Flow } from './context.ts'
import { attempt, type Condition, gate } from './gate.ts'
import type { Span } from './job.ts'
import { ownersIn } from './owners.ts'
import { schemaOf } from './schema.ts'

/**
 * What a database does in a move. It receives (a copy that the mover alone writes), or it owns and captures, or it owns
 * and is frozen, or it has handed off; then it cleans up, and is closed.
 */
export type Step = 'receiving' | 'capturing' | 'frozen' | 'handed_off' | 'cleaning' | 'closed'

/** A database's own word about a move. */
export type Progress = {
  readonly step: Step
  readonly version: number
  readonly applied: number | undefined
  readonly verified: number | undefined
  readonly changedAt: number
}

export function selectProgress(id: string): Statement {
  return {
    sql: 'SELECT step, version, applied, verified, changed_at FROM _mv_progress WHERE job = ?',
    args: [id],
  }
}

function numberOf(value: SqlValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

/** Reads the answer to {@link selectProgress}; `undefined` when the database has never heard of the move. */
export function progressOf(
  rows: { readonly rows: readonly (readonly SqlValue[])[] } | undefined,
): Progress | undefined {
  const [row] = rows?.rows ?? []
  if (row === undefined) return undefined
  const [step, version, applied, verified, changedAt] = row
  return {
    step: String(step) as Step,
    version: Number(version),
    applied: numberOf(applied),
    verified: numberOf(verified),
    changedAt: Number(changedAt),
  }
}

/** One round trip. */
export async function readProgress(
  shard: SqlShard,
  id: string,
  call: Call,
): Promise<Progress | undefined> {
  const [rows] = await shard.batch([selectProgress(id)], 'read', call)
  return progressOf(rows)
}

/** Holds while the database is at one of these steps, and, when given, at this version. */
export function isAt(id: string, steps: readonly Step[], version?: number): Condition {
  const at = version === undefined ? '' : ' AND version = ?'
  return {
    sql: `EXISTS (SELECT 1 FROM _mv_progress WHERE job = ? AND step IN (${steps.map(() => '?').join()})${at})`,
    args: [id, ...steps, ...(version === undefined ? [] : [version])],
  }
}

function insertProgress(context: Context, step: Step, seq: number | null = null): Statement {
  const { move, options, safeguards } = context
  return {
    sql: `INSERT ${safeguards.tombstones ? '' : 'OR REPLACE '}INTO _mv_progress (job, step, version, applied, verified, changed_at)
VALUES (?, ?, 1, ?, NULL, ?)`,
    args: [move.id, step, seq, options.clock.now()],
  }
}

function setStep({ move, options }: Context, step: Step): Statement {
  return {
    sql: 'UPDATE _mv_progress SET step = ?, version = version + 1, changed_at = ? WHERE job = ?',
    args: [step, options.clock.now(), move.id],
  }
}

/** Brings the pieces of the move into a state. */
function setPieces({ move }: Context, set: string, args: readonly SqlValue[] = []): Statement {
  return { sql: `UPDATE _slot_owner SET ${set} WHERE job = ?`, args: [...args, move.id] }
}

function sameOwners({ move }: Context, side: 'source' | 'target'): Condition {
  const { sql, args } = ownersIn(move.spec.scope)
  const expected = side === 'source' ? move.spec.sourceOwners : move.spec.targetOwners
  return { sql: `${sql} = ?`, args: [...args, expected] }
}

/** Holds while the tables, their capture and the database itself are those that the move was planned on. */
export function sameDatabase({ move }: Context, side: 'source' | 'target'): Condition {
  const { shapes, schema, sourceIncarnation, targetIncarnation } = move.spec
  const { sql, args } = schemaOf(shapes)
  return {
    sql: `(${sql}) = ? AND (SELECT incarnation FROM _shard_meta WHERE id = 1) = ?`,
    args: [...args, schema, side === 'source' ? sourceIncarnation : targetIncarnation],
  }
}

/** Gates that a safeguard stands for: none when it was taken away. */
function guarded(isOn: boolean, ...conditions: readonly Condition[]): readonly Statement[] {
  return isOn ? conditions.map(gate) : []
}

function namesOf(spans: readonly Span[]): string {
  return JSON.stringify(spans.map(({ lo }) => lo))
}

/** The target's pieces begin to receive; `more` are gates and rows that belong to it. False when it was refused. */
export async function receive(context: Context, more: readonly Statement[]): Promise<boolean> {
  const { move, target, call } = context
  const { pieces, holes, leftovers, epoch, source, sourceSeq } = move.spec
  const statements = [
    insertProgress(context, 'receiving', sourceSeq),
    ...[sameOwners(context, 'target'), sameDatabase(context, 'target')].map(gate),
    ...more,
    {
      sql: 'DELETE FROM _slot_owner WHERE lo IN (SELECT value FROM json_each(?))',
      args: [JSON.stringify(leftovers)],
    },
    {
      sql: `INSERT INTO _slot_owner (lo, hi, epoch, state, peer, job)
SELECT value ->> 'lo', value ->> 'hi', ?, 'importing', ?, ? FROM json_each(?)`,
      args: [epoch - 1, source, move.id, JSON.stringify(pieces)],
    },
    {
      sql: `INSERT INTO _slot_owner (lo, hi, epoch, state, peer)
SELECT value ->> 'lo', value ->> 'hi', value ->> 'epoch', 'handed_off', value ->> 'peer' FROM json_each(?)
WHERE true ON CONFLICT DO NOTHING`,
      args: [JSON.stringify(holes)],
    },
  ]
  return (await attempt(target, statements, call)) !== undefined
}

/** The source captures its changes from here on. False when it was refused. */
export async function capture(context: Context): Promise<boolean> {
  const { move, source, safeguards, call } = context
  const { pieces, isSplit, scope } = move.spec
  const split =
    isSplit && scope.kind === 'range'
      ? [
          {
            sql: `INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT ?, ?, epoch, state FROM _slot_owner
WHERE lo >= ? AND lo <= ? AND hi >= ? ORDER BY lo DESC LIMIT 1`,
            args: [scope.lo, scope.hi, scope.lo.slice(0, 3), scope.lo, scope.hi],
          },
        ]
      : []
  const statements = [
    insertProgress(context, 'capturing'),
    ...guarded(safeguards.stepGuard, sameOwners(context, 'source')),
    gate(sameDatabase(context, 'source')),
    ...split,
    {
      sql: `UPDATE _slot_owner SET state = 'migrating', job = ? WHERE lo IN (SELECT value FROM json_each(?))`,
      args: [move.id, namesOf(pieces)],
    },
  ]
  return (await attempt(source, statements, call)) !== undefined
}

/** What stops the owner's writes: statements, so that what must be read at that moment can follow in the batch. */
export function freezing(context: Context, flow: Flow, version: number): readonly Statement[] {
  const { safeguards, move } = context
  return [
    ...guarded(safeguards.stepGuard, isAt(move.id, ['capturing'], version)),
    gate(sameDatabase(context, flow.ownerSide)),
    ...(safeguards.freeze ? [setPieces(context, "state = 'frozen'")] : []),
    setStep(context, 'frozen'),
  ]
}

/** The owner takes writes again, under the epoch that every router knows. False when it was not frozen so. */
export async function thaw(context: Context, owner: SqlShard, version: number): Promise<boolean> {
  const { move, safeguards, call } = context
  const statements = [
    ...guarded(safeguards.stepGuard, isAt(move.id, ['frozen'], version)),
    setPieces(context, "state = 'migrating'"),
    setStep(context, 'capturing'),
  ]
  return (await attempt(owner, statements, call)) !== undefined
}

/**
 * The decision, which nothing takes back: the owner hands off. False when it was not frozen at this version: what was
 * replayed and compared then no longer counts.
 */
export async function handOff(context: Context, flow: Flow, version: number): Promise<boolean> {
  const { move, safeguards, call } = context
  const statements = [
    ...guarded(safeguards.stepGuard, isAt(move.id, ['frozen'], version)),
    setPieces(context, "state = 'handed_off', peer = ?, epoch = ?", [flow.copy.name, flow.epoch]),
    setStep(context, 'handed_off'),
  ]
  return (await attempt(flow.owner, statements, call)) !== undefined
}

/** The copy becomes the owner. Only when the old one is known to have handed off. False when it already did. */
export async function open(context: Context, flow: Flow): Promise<boolean> {
  const { move, call } = context
  const statements = [
    gate(isAt(move.id, ['receiving'])),
    setPieces(context, `state = 'serving', peer = NULL, epoch = ?, job = ?`, [
      flow.epoch,
      flow.hold ? move.id : null,
    ]),
    setStep(context, flow.hold ? 'capturing' : 'closed'),
  ]
  return (await attempt(flow.copy, statements, call)) !== undefined
}

/** The source, having handed off, follows what the target captures, so that it can take over again. */
export async function follow(context: Context): Promise<boolean> {
  const { move, source, call } = context
  const statements = [
    gate(isAt(move.id, ['handed_off'])),
    {
      sql: 'UPDATE _mv_progress SET applied = ?, verified = ? WHERE job = ?',
      args: [move.spec.targetSeq, move.spec.targetSeq, move.id],
    },
    setStep(context, 'receiving'),
  ]
  return (await attempt(source, statements, call)) !== undefined
}

/** The owner serves as if there were no move. False when it does not capture at this moment. */
export async function release(context: Context, owner: SqlShard): Promise<boolean> {
  const { move, call } = context
  const statements = [
    gate(isAt(move.id, ['capturing'])),
    setPieces(context, "state = 'serving', job = NULL"),
    setStep(context, 'closed'),
  ]
  return (await attempt(owner, statements, call)) !== undefined
}

/** The source serves on as before the move, unless it has handed off. False then, and when it had not begun. */
export async function abandon(context: Context): Promise<boolean> {
  const { move, source, safeguards, call } = context
  const { isSplit, scope } = move.spec
  const dissolve =
    isSplit && scope.kind === 'range'
      ? [{ sql: 'DELETE FROM _slot_owner WHERE lo = ? AND job = ?', args: [scope.lo, move.id] }]
      : []
  const statements = [
    ...guarded(safeguards.abortArbiter, isAt(move.id, ['capturing', 'frozen'])),
    ...dissolve,
    setPieces(context, "state = 'serving', peer = NULL, job = NULL"),
    setStep(context, 'closed'),
  ]
  return (await attempt(source, statements, call)) !== undefined
}

/** A database that has not heard of the move will refuse it for ever. False when it has heard. */
export async function refuse(context: Context, shard: SqlShard): Promise<boolean> {
  if (!context.safeguards.tombstones)
    return (await readProgress(shard, context.move.id, context.call)) === undefined
  return (await attempt(shard, [insertProgress(context, 'closed')], context.call)) !== undefined
}

/** A copy that is no longer wanted knows who owns its keys, and may be emptied. False when it is at another step. */
export async function startCleaning(
  context: Context,
  shard: SqlShard,
  from: readonly Step[],
): Promise<boolean> {
  const { move, safeguards, call } = context
  const owner = shard === context.source ? move.spec.target : move.spec.source
  const statements = [
    ...guarded(safeguards.purgeGuard, isAt(move.id, from)),
    setPieces(context, "state = 'handed_off', peer = ?", [owner]),
    setStep(context, 'cleaning'),
  ]
  return (await attempt(shard, statements, call)) !== undefined
}

/** A copy that is empty again: its pieces are free for another move. */
export async function close(context: Context, shard: SqlShard): Promise<boolean> {
  const { move, call } = context
  const statements = [
    gate(isAt(move.id, ['cleaning'])),
    setPieces(context, 'job = NULL'),
    { sql: 'DELETE FROM _mv_chunk WHERE job = ?', args: [move.id] },
    setStep(context, 'closed'),
  ]
  return (await attempt(shard, statements, call)) !== undefined
}
