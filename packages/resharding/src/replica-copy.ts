import type { Rows, SqlShard, Statement } from '@stoa/kernel'

import {
  type Chunk,
  insertChunks,
  isChunkAt,
  progressed,
  readChunks,
  updateChunk,
} from './chunks.ts'
import { asMover, attempt, gate } from './gate.ts'
import type { Span } from './job.ts'
import { ownKeys } from './replica-pieces.ts'
import {
  type FeedContext,
  feedJob,
  headOf,
  isVersion,
  mirrorPieces,
  piecesOf,
  raiseVersion,
  type ReplicaState,
  selectHead,
  selectState,
  stateOf,
} from './replica-state.ts'
import { intervalsOf } from './spans.ts'
import { deleteSome, insertRows, listed, quoted, selectWalk } from './tables.ts'
import { readStretches, slicesOf, type Stretch } from './walk.ts'

/** What became of a step: how far the replica is; `undefined` when somebody else has fed it, or it must be fed first. */
type Stepped = Promise<ReplicaState | undefined>

async function step(
  context: FeedContext,
  state: ReplicaState,
  statements: readonly Statement[],
): Promise<readonly Rows[] | undefined> {
  const { replica, call } = context
  const batch = [gate(isVersion(context, state.version)), ...statements, raiseVersion, selectState]
  return attempt(replica, batch, call)
}

/** Some pieces that have this job, and the keys that are theirs alone. One round trip. */
async function piecesFor(
  { replica, limits, call }: FeedContext,
  job: 'wanted' | 'leaving',
): Promise<{ readonly names: readonly string[]; readonly spans: readonly Span[] }> {
  const some = 'SELECT lo FROM _slot_owner WHERE job = ? ORDER BY lo LIMIT ?'
  const select = {
    sql: piecesOf(`SELECT DISTINCT substr(lo, 1, 3) AS slot FROM (${some})`),
    args: [job, limits.pieces],
  }
  const [rows] = await replica.batch([select], 'read', call)
  const found = mirrorPieces(rows)
  const bySlot = Map.groupBy(found, ({ lo }) => lo.slice(0, 3))
  const chosen = found.filter((piece) => piece.job === job)
  const own = chosen.flatMap((piece) => ownKeys(piece, bySlot.get(piece.lo.slice(0, 3)) ?? []))
  return { names: chosen.map(({ lo }) => lo), spans: intervalsOf(own, []) }
}

function setJob(names: readonly string[], job: 'copying' | null): Statement {
  return {
    sql: 'UPDATE _slot_owner SET job = ? WHERE lo IN (SELECT value FROM json_each(?))',
    args: [job, JSON.stringify(names)],
  }
}

/** Writes down which rows are copied next. Two round trips. */
export async function planCopy(context: FeedContext, state: ReplicaState): Stepped {
  const { names, spans } = await piecesFor(context, 'wanted')
  const ranges = context.tables.flatMap(({ name }) =>
    spans.map(({ lo, hi }) => ({ table: name, lo, hi })),
  )
  const answers = await step(context, state, [
    { sql: 'DELETE FROM _mv_chunk WHERE job = ?', args: [feedJob] },
    insertChunks(feedJob, [ranges]),
    setJob(names, 'copying'),
    // A piece that is all other pieces has no rows of its own.
    ...(ranges.length === 0 || !context.safeguards.wholePieces ? open : []),
  ])
  return stateOf(answers?.at(-1))
}

/** What is copied becomes readable. */
const open: readonly Statement[] = [
  { sql: "UPDATE _slot_owner SET state = 'frozen', job = NULL WHERE job = 'copying'", args: [] },
]

/** The statements that make a stretch of the replica what it is at the primary. */
function writing(context: FeedContext, { table, range, rows, after, until }: Stretch) {
  const { name, primaryKey } = table
  const walk = selectWalk(table, { ...range, after, until, limit: -1 })
  const sweep = {
    sql: `DELETE FROM ${quoted(name)} WHERE (${listed(primaryKey)}) IN (SELECT ${listed(primaryKey)} FROM (${walk.sql}))`,
    args: walk.args,
  }
  const inserts = insertRows(table, rows, context.safeguards.sweep ? 'replace' : 'keep')
  return context.safeguards.sweep ? [sweep, ...inserts] : inserts
}

/** The primary, which with every read says what else must hold in that snapshot. */
function watched(
  { primary, replica }: FeedContext,
  { owners }: ReplicaState,
  seen: (answers: readonly Rows[]) => void,
): SqlShard {
  const unknown = {
    sql: "SELECT EXISTS (SELECT 1 FROM _cdc WHERE seq > ? AND tbl = '_slot_owner')",
    args: [owners],
  }
  return {
    name: primary.name,
    batch: async (statements, mode, call) => {
      const extra = [selectHead(replica.name), unknown]
      const answers = await primary.batch([...statements, ...extra], mode, call)
      seen(answers.slice(statements.length))
      return answers.slice(0, statements.length)
    },
  }
}

/** Reads the next rows; none when the primary is no longer as the replica knows it: it must be fed first. */
async function readNext(
  context: FeedContext,
  state: ReplicaState,
  chunk: Chunk,
): Promise<readonly Stretch[]> {
  const { limits, safeguards, call } = context
  let isSame = true
  const primary = watched(context, state, ([head, unknown]) => {
    const { mark, fed, incarnation } = headOf(head)
    const isKnown = unknown?.rows[0]?.[0] === 0 || !safeguards.ownersKnown
    const isFed = fed !== undefined || !safeguards.register
    isSame = isKnown && isFed && mark === context.mark && incarnation === state.incarnation
  })
  const tables = new Map(context.tables.map((table) => [table.name, table]))
  const job = { chunk, tables, stride: context.stride, bounds: limits }
  const stretches = await readStretches(primary, job, call)
  return isSame ? stretches : []
}

/** Copies the next rows of what {@link planCopy} wrote down; the last ones open its pieces. Three round trips or more. */
export async function copySome(context: FeedContext, state: ReplicaState): Stepped {
  const { replica, limits, call } = context
  const [chunk] = await readChunks(replica, feedJob, call)
  if (chunk === undefined) return undefined
  const stretches = await readNext(context, state, chunk)
  let current = chunk
  let reached: ReplicaState | undefined
  for (const slice of slicesOf(stretches, limits)) {
    const count = slice.reduce((sum, { rows }) => sum + rows.length, 0)
    const next = progressed(current, slice.at(-1)?.next ?? current.position, count)
    const isDone = next.state !== 'copying'
    // oxlint-disable-next-line no-await-in-loop -- each slice goes on from the one before.
    const answers = await step(context, reached ?? state, [
      gate(isChunkAt(feedJob, current)),
      ...asMover(
        feedJob,
        // A slice begins where the last one ended, which may be within a stretch.
        slice.flatMap((stretch, index) =>
          writing(context, index === 0 ? { ...stretch, after: current.position.after } : stretch),
        ),
      ),
      updateChunk(feedJob, next),
      ...(isDone ? open : []),
    ])
    reached = stateOf(answers?.at(-1))
    if (reached === undefined) return undefined
    current = next
  }
  return reached
}

/** Deletes some rows that the primary no longer serves. Two round trips. */
export async function deleteLeft(context: FeedContext, state: ReplicaState): Stepped {
  const { tables, limits } = context
  const { names, spans } = await piecesFor(context, 'leaving')
  const limit = Math.max(1, Math.floor(limits.rows / Math.max(1, tables.length)))
  const deletes = asMover(
    feedJob,
    tables.map((table) => deleteSome(table, spans, limit)),
  )
  const answers = await step(context, state, deletes)
  const after = stateOf(answers?.at(-1))
  if (answers === undefined || after === undefined) return undefined
  // The gate comes before, and the mover's pass.
  const counts = answers.slice(2, 2 + tables.length).map(({ rowsAffected }) => rowsAffected)
  if (counts.some((count) => count >= limit)) return after
  return stateOf((await step(context, after, [setJob(names, null)]))?.at(-1))
}
