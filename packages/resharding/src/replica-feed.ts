import { type Call, isFault, type SqlShard, type Statement } from '@stoa/kernel'
import {
  catalogueQuery,
  fenceSetOf,
  ownerOf,
  readCatalogue,
  shapeOf,
  type TableInfo,
} from '@stoa/sharding'

import { asMover, attempt, gate } from './gate.ts'
import { copySome, deleteLeft, planCopy } from './replica-copy.ts'
import { ReplicaMismatchError } from './replica-faults.ts'
import {
  allFeedSafeguards,
  defaultFeedLimits,
  type FeedLimits,
  type FeedSafeguards,
  type ReplicaFeedOptions,
} from './replica-options.ts'
import { firstMirror } from './replica-pieces.ts'
import {
  type FeedContext,
  feedJob,
  type Head,
  headOf,
  insertMirror,
  primaryPieces,
  type ReplicaState,
  schemaMarkOf,
  selectHead,
  selectState,
  stateOf,
} from './replica-state.ts'
import { applyWindow, readReplicaWindow } from './replica-window.ts'
import type { Table } from './tables.ts'
import { firstStride } from './walk.ts'

/** How far a replica is. */
export type FeedProgress = {
  /** Up to where it has the primary's changes, and where those were. */
  readonly applied: number
  readonly newest: number
  /** Pieces that it cannot answer for yet. */
  readonly wanted: number
  /** Whether it had everything when it last asked. */
  readonly isLevel: boolean
}

/**
 * Keeps a replica level with its primary. It keeps nothing that matters: any number may feed one replica, and whatever
 * one of them was at when it died, the next goes on.
 */
export type ReplicaFeed = {
  /**
   * Brings the replica level, or as far as the limits allow. The first time, and when its stream has a hole, it is copied
   * anew, piece by piece, and answers for each as soon as it has it. Three round trips when nothing has changed.
   *
   * @throws ReplicaMismatchError when the databases cannot be primary and replica; and what a database answers.
   */
  advance(call: Call): Promise<FeedProgress>
  /** Advances again and again, until the call ends. Failures that may pass are waited out. */
  run(call: Call): Promise<void>
}

/** Captured changes that are deleted at a time. */
const entriesAtOnce = 5_000

/** Round trips in one turn of the loop, about. */
const batchesInTurn = 4

type Engine = {
  readonly options: ReplicaFeedOptions
  readonly limits: FeedLimits
  readonly safeguards: FeedSafeguards
}

/** The columns to copy: all but a local row number and what is computed. */
function tableOf(info: TableInfo): readonly Table[] {
  const shape = shapeOf(info)
  if (shape === undefined) return []
  const isLocal = (name: string) =>
    info.primaryKey.includes(name) && !shape.primaryKey.includes(name)
  const columns = info.columns.filter(({ name, isGenerated }) => !isGenerated && !isLocal(name))
  const bytes = info.columns.filter(
    ({ name, type }) => type === 'BLOB' && shape.primaryKey.includes(name),
  )
  return [
    { ...shape, columns: columns.map(({ name }) => name), bytes: bytes.map(({ name }) => name) },
  ]
}

/** Reads what is to be copied. Two round trips. @throws ReplicaMismatchError */
async function contextOf(
  { options, limits, safeguards }: Engine,
  call: Call,
): Promise<FeedContext> {
  const { primary, replica, clock } = options
  const about = {
    sql: `SELECT incarnation, fence_hash, ${schemaMarkOf} FROM _shard_meta WHERE id = 1`,
    args: [],
  }
  const [meta, catalogue] = await primary.batch([about, catalogueQuery], 'read', call)
  const [copied] = await replica.batch([catalogueQuery], 'read', call)
  const tables = readCatalogue(catalogue?.rows ?? [])
  const [incarnation, fence, mark] = meta?.rows[0] ?? []
  const refuse = (why: string) => new ReplicaMismatchError(replica.name, why)
  if (incarnation === null || incarnation === undefined)
    throw refuse(`"${primary.name}" is a copy of a shard; adopt it first`)
  if (JSON.stringify(tables) !== JSON.stringify(readCatalogue(copied?.rows ?? [])))
    throw refuse(`its tables are not those of "${primary.name}"; migrate both`)
  if (fence !== fenceSetOf(tables).hash)
    throw refuse(`"${primary.name}" does not capture its changes; fence it anew`)
  const bound = tables.find(({ foreignKeys }) => foreignKeys.length > 0)
  if (bound !== undefined)
    throw refuse(`table "${bound.name}" has a foreign key, and rows come one by one`)
  return {
    primary,
    replica,
    clock,
    limits,
    safeguards,
    tables: tables.flatMap(tableOf),
    mark: String(mark),
    stride: firstStride(),
    call,
  }
}

/** Has the primary capture and keep what changes from now on; one that is known already keeps its place. */
function registering(replica: string): readonly Statement[] {
  return [
    { sql: 'DELETE FROM _replica_feed WHERE (SELECT capture FROM _fence) = 0', args: [] },
    { sql: 'UPDATE _fence SET capture = 1 WHERE id = 1', args: [] },
    {
      sql: `INSERT INTO _replica_feed (name, applied) SELECT ?, coalesce(max(seq), 0) FROM _cdc WHERE true
ON CONFLICT (name) DO UPDATE SET applied = min(applied, excluded.applied)`,
      args: [replica],
    },
  ]
}

/** Begins a replica anew, unless somebody else was faster: it holds nothing, and wants all. Two round trips. */
async function begin(context: FeedContext, state: ReplicaState | undefined): Promise<void> {
  const { primary, replica, safeguards, call } = context
  const pieces = { sql: 'SELECT lo, hi, epoch, state, peer FROM _slot_owner ORDER BY lo', args: [] }
  const register = safeguards.register ? registering(replica.name) : []
  const answers = await primary.batch(
    [...register, selectHead(replica.name), pieces],
    'write',
    call,
  )
  const { newest, fed = newest, incarnation = '' } = headOf(answers.at(-2))
  const isNew = {
    sql: `NOT EXISTS (SELECT 1 FROM _replica) AND NOT EXISTS (SELECT 1 FROM _slot_owner)`,
    args: [],
  }
  const isOld = {
    sql: 'EXISTS (SELECT 1 FROM _replica WHERE version = ?)',
    args: [state?.version ?? 0],
  }
  await attempt(
    replica,
    [
      gate(state === undefined ? isNew : isOld),
      ...asMover(feedJob, [
        { sql: 'UPDATE _fence SET capture = 0 WHERE id = 1', args: [] },
        { sql: 'DELETE FROM _slot_owner', args: [] },
        { sql: 'DELETE FROM _mv_chunk WHERE job = ?', args: [feedJob] },
        insertMirror(firstMirror(primaryPieces(answers.at(-1)))),
        {
          sql: `INSERT INTO _replica (id, primary_name, incarnation, version, applied, owners, at)
VALUES (1, ?, ?, 1, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET primary_name = excluded.primary_name,
incarnation = excluded.incarnation, version = version + 1, applied = excluded.applied, owners = excluded.owners, at = 0`,
          args: [primary.name, incarnation, fed, newest],
        },
      ]),
    ],
    call,
  )
}

/** Whether every change since the replica's last is still in the stream. */
function isUnbroken({ safeguards }: FeedContext, state: ReplicaState, head: Head): boolean {
  if (!safeguards.holes) return true
  const { fed, newest, incarnation } = head
  const isFed = fed !== undefined ? fed <= state.applied : !safeguards.register
  return isFed && state.applied <= newest && incarnation === state.incarnation
}

/** Deletes changes that no replica and no move needs. */
const pruneUnneeded: Statement = {
  sql: `DELETE FROM _cdc WHERE seq IN (SELECT c.seq FROM _cdc AS c
WHERE c.seq <= coalesce((SELECT min(applied) FROM _replica_feed), c.seq) AND ${ownerOf('c.key', 'job')} IS NULL
ORDER BY c.seq LIMIT ?)`,
  args: [entriesAtOnce],
}

/** Tells the primary how far the replica is, and deletes what no replica and no move needs. One round trip. */
async function prune({ primary, replica, call }: FeedContext, applied: number): Promise<void> {
  await primary.batch(
    [
      {
        sql: 'UPDATE _replica_feed SET applied = ? WHERE name = ? AND applied < ?',
        args: [applied, replica.name, applied],
      },
      pruneUnneeded,
    ],
    'write',
    call,
  )
}

async function readState(context: FeedContext): Promise<ReplicaState | undefined> {
  const { primary, replica, call } = context
  const isTaken = { sql: 'SELECT EXISTS (SELECT 1 FROM _slot_owner)', args: [] }
  const [rows, taken] = await replica.batch([selectState, isTaken], 'read', call)
  const state = stateOf(rows)
  if (state === undefined && taken?.rows[0]?.[0] === 1)
    throw new ReplicaMismatchError(replica.name, 'it owns keys itself; use an empty database')
  if (state !== undefined && state.primary !== primary.name)
    throw new ReplicaMismatchError(replica.name, `it is a copy of "${state.primary}"`)
  return state
}

/** One thing more that a replica needs besides the stream. Two to four round trips. */
async function tend(context: FeedContext, state: ReplicaState): Promise<void> {
  if (state.copying > 0) await copySome(context, state)
  else if (state.wanted > 0) await planCopy(context, state)
  else await deleteLeft(context, state)
}

/** What a turn found: how far the replica is, or that the primary has other tables now. */
type Turned = { readonly progress?: FeedProgress; readonly isSchemaOld?: boolean }

/** One turn of the loop: the next window, and when the replica is level, some rows of what it lacks. */
async function turn(context: FeedContext): Promise<Turned> {
  const state = await readState(context)
  const window = state && (await readReplicaWindow(context, state))
  if (window !== undefined && window.head.mark !== context.mark) return { isSchemaOld: true }
  if (state === undefined || window === undefined || !isUnbroken(context, state, window.head)) {
    await begin(context, state)
    return {}
  }
  const { head, changes } = window
  const fed = await applyWindow(context, state, window)
  if (fed === undefined) return {}
  const wanted = fed.wanted + fed.copying
  const isThere = changes.upTo >= head.newest
  const isLevel = isThere && wanted + fed.leaving === 0
  if (isThere && !isLevel) await tend(context, fed)
  if (isLevel && (head.fed ?? -1) < fed.applied) await prune(context, fed.applied)
  return { progress: { applied: fed.applied, newest: head.newest, wanted, isLevel } }
}

/** As {@link createReplicaFeed}, with some safeguards taken away. */
export function createUnsafeReplicaFeed(
  options: ReplicaFeedOptions,
  safeguards: FeedSafeguards,
): ReplicaFeed {
  const limits = { ...defaultFeedLimits, ...options.limits }
  const engine = { options, limits, safeguards }
  let known: FeedContext | undefined
  const advance = async (call: Call): Promise<FeedProgress> => {
    let progress: FeedProgress = { applied: 0, newest: 0, wanted: 0, isLevel: false }
    let context: FeedContext =
      known === undefined ? await contextOf(engine, call) : { ...known, call }
    for (let turns = 0; turns < limits.batches / batchesInTurn && !progress.isLevel; turns += 1) {
      call.signal.throwIfAborted()
      const turned = await turn(context)
      if (turned.isSchemaOld === true) context = await contextOf(engine, call)
      known = context
      progress = turned.progress ?? progress
    }
    return progress
  }
  const run = async (call: Call): Promise<void> => {
    while (!call.signal.aborted) {
      try {
        const { isLevel } = await advance(call)
        if (isLevel) await options.sleep(limits.everyMs, call)
      } catch (error) {
        if (call.signal.aborted) return
        if (!isFault(error) || !error.retryable) throw error
        await options.sleep(limits.everyMs, call)
      }
    }
  }
  return { advance, run }
}

/** A feed with all its safeguards. */
export function createReplicaFeed(options: ReplicaFeedOptions): ReplicaFeed {
  return createUnsafeReplicaFeed(options, allFeedSafeguards)
}

/** The replicas that a primary feeds, and how many changes each lacks: they are kept until it has them. One round trip. */
export async function readFeeds(
  primary: SqlShard,
  call: Call,
): Promise<readonly { readonly name: string; readonly lag: number }[]> {
  const select = {
    sql: 'SELECT name, (SELECT coalesce(max(seq), 0) FROM _cdc) - applied FROM _replica_feed ORDER BY name',
    args: [],
  }
  const [rows] = await primary.batch([select], 'read', call)
  return (rows?.rows ?? []).map(([name, lag]) => ({
    name: String(name),
    lag: Math.max(0, Number(lag)),
  }))
}

/**
 * Stops feeding a replica: the primary keeps nothing more for it, and captures nothing when it was the last. Take it out
 * of the topology first, and stop its feed. One round trip for each 5,000 changes that were kept.
 */
export async function dropReplica(primary: SqlShard, name: string, call: Call): Promise<void> {
  for (;;) {
    const answers = await primary.batch(
      [
        { sql: 'DELETE FROM _replica_feed WHERE name = ?', args: [name] },
        {
          sql: 'UPDATE _fence SET capture = EXISTS (SELECT 1 FROM _replica_feed) WHERE id = 1',
          args: [],
        },
        pruneUnneeded,
      ],
      'write',
      call,
    )
    if ((answers.at(-1)?.rowsAffected ?? 0) < entriesAtOnce) return
  }
}
