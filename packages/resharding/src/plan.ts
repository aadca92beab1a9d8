import {
  type Call,
  parseSlot,
  type Rows,
  slotCount,
  slotRange,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'
import type { Keyspace, ShardInfo, TableShape, Topology } from '@stoa/sharding'

import { newestOf, selectNewest } from './captured.ts'
import {
  InvalidMoveError,
  SchemaMismatchError,
  TargetNotEmptyError,
  WrongIncarnationError,
} from './faults.ts'
import type { MovePlan, MoveRequest, MoveScope } from './job.ts'
import { arrange, ownersIn } from './owners.ts'
import { isCaptured, readColumns, schemaOf, selectColumns } from './schema.ts'
import { selectCount } from './tables.ts'

const idForm = /^[\w.-]{1,64}$/
const keyForm = /^[0-9A-F][0-9A-HJKMNP-TV-Z]{4,}$/

function isSlot(slot: number): boolean {
  return Number.isInteger(slot) && slot >= 0 && slot < slotCount
}

function checkScope(id: string, scope: MoveScope, slotsMax: number): void {
  if (scope.kind === 'slots') {
    if (scope.slots.length === 0 || !scope.slots.every(isSlot))
      throw new InvalidMoveError(
        id,
        `slots are whole numbers from 0 to ${slotCount - 1}, one or more`,
      )
    if (new Set(scope.slots).size < scope.slots.length)
      throw new InvalidMoveError(id, 'a slot is named twice')
    if (scope.slots.length > slotsMax)
      throw new InvalidMoveError(
        id,
        `${scope.slots.length} slots are more than the ${slotsMax} that one move freezes: make several moves of them`,
      )
    return
  }
  const { lo, hi } = scope
  if (!keyForm.test(lo) || hi <= lo || hi > slotRange(parseSlot(lo.slice(0, 3))).to)
    throw new InvalidMoveError(
      id,
      `"${lo}" to "${hi}" is no range of keys of one slot that begins with an owner's five characters`,
    )
}

/** The two databases by their names. @throws InvalidMoveError */
export function sidesOf(
  { id, keyspace, source, target }: Pick<MoveRequest, 'id' | 'keyspace' | 'source' | 'target'>,
  topology: Topology,
): { readonly source: ShardInfo; readonly target: ShardInfo } {
  const known: Keyspace | undefined = topology.keyspaces[keyspace]
  if (known === undefined) throw new InvalidMoveError(id, `there is no keyspace "${keyspace}"`)
  const find = (name: string): ShardInfo => {
    const shard = known.shards.find((each) => each.name === name)
    if (shard === undefined)
      throw new InvalidMoveError(id, `keyspace "${keyspace}" has no shard "${name}"`)
    if (shard.url === '') throw new InvalidMoveError(id, `shard "${name}" is not provisioned yet`)
    return shard
  }
  if (source === target) throw new InvalidMoveError(id, 'source and target are the same')
  return { source: find(source), target: find(target) }
}

/** What a database says before a move. */
type Before = {
  readonly incarnation: string | undefined
  readonly owners: string
  readonly schema: string
  readonly columns: Rows
  readonly seq: number
}

/** One round trip. */
async function look(
  shard: SqlShard,
  { scope, shapes }: Pick<MoveRequest, 'scope' | 'shapes'>,
  call: Call,
): Promise<Before> {
  const owners = ownersIn(scope)
  const schema = schemaOf(shapes)
  const [identity, columns, newest] = await shard.batch(
    [
      {
        sql: `SELECT incarnation, ${owners.sql}, ${schema.sql} FROM (SELECT 1) LEFT JOIN _shard_meta ON id = 1`,
        args: [...owners.args, ...schema.args],
      },
      selectColumns(shapes),
      selectNewest,
    ],
    'read',
    call,
  )
  const [incarnation, ownersText, schemaText] = identity?.rows[0] ?? []
  return {
    incarnation: typeof incarnation === 'string' ? incarnation : undefined,
    owners: String(ownersText),
    schema: String(schemaText),
    columns: columns ?? { columns: [], rows: [], rowsAffected: 0 },
    seq: newestOf(newest),
  }
}

function checkSame(
  { id, shapes }: Pick<MoveRequest, 'id' | 'shapes'>,
  source: Before,
  target: Before,
): void {
  for (const { schema } of [source, target]) {
    if (!isCaptured(schema, shapes))
      throw new SchemaMismatchError(id, 'a table lacks its fence, which captures changes')
  }
  if (source.schema !== target.schema)
    throw new SchemaMismatchError(id, 'the tables of source and target differ')
}

function countsOf(
  shapes: readonly TableShape[],
  answers: readonly Rows[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    shapes.map(({ name }, index) => [name, Number(answers[index]?.rows[0]?.[0] ?? 0)]),
  )
}

/**
 * Asks both databases what the move would take along, and whether it can. Three round trips, two of them to two
 * databases at once; the source counts its rows in the scope.
 */
export async function planMove(
  request: MoveRequest,
  {
    topology,
    open,
    emptyTarget,
    slotsMax,
  }: {
    readonly topology: Topology
    readonly open: (shard: ShardInfo) => SqlShard
    readonly emptyTarget: boolean
    readonly slotsMax: number
  },
  call: Call,
): Promise<MovePlan> {
  const { id, scope, shapes, hold = false } = request
  if (!idForm.test(id)) throw new InvalidMoveError(id, 'an id is 1 to 64 of A-Z a-z 0-9 _ . -')
  if (shapes.length === 0) throw new InvalidMoveError(id, 'no table was named')
  checkScope(id, scope, slotsMax)
  const infos = sidesOf(request, topology)
  const [source, target] = [open(infos.source), open(infos.target)]
  const [before, beyond] = await Promise.all([
    look(source, request, call),
    look(target, request, call),
  ])
  for (const [info, said] of [
    [infos.source, before],
    [infos.target, beyond],
  ] as const)
    if (said.incarnation !== info.incarnation) throw new WrongIncarnationError(id, info.name)
  const columns = readColumns(id, shapes, before.columns)
  checkSame(request, before, beyond)
  const owners = { sourceOwners: before.owners, targetOwners: beyond.owners }
  const arrangement = arrange({ id, scope, source: source.name, target: target.name, ...owners })
  const counting = (what: 'count' | 'exists'): readonly Statement[] =>
    shapes.map((shape) => selectCount(shape, arrangement.intervals, what))
  const [there, here] = await Promise.all([
    source.batch(counting('count'), 'read', call),
    target.batch(counting('exists'), 'read', call),
  ])
  const full = shapes.find((_, index) => here[index]?.rows[0]?.[0] === 1)
  if (full !== undefined && emptyTarget) throw new TargetNotEmptyError(id, target.name, full.name)
  const rows = countsOf(shapes, there)
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0)
  return {
    spec: {
      scope,
      source: source.name,
      target: target.name,
      shapes,
      hold,
      ...arrangement,
      ...owners,
      columns,
      schema: before.schema,
      sourceSeq: before.seq,
      targetSeq: beyond.seq,
      sourceIncarnation: infos.source.incarnation,
      targetIncarnation: infos.target.incarnation,
      rows,
    },
    rows: total,
    writes: total * 2,
  }
}
