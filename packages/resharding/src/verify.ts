import type { Rows, SqlShard } from '@stoa/kernel'

import { type Changes, newestOf, selectCapturedSince, selectNewest } from './captured.ts'
import {
  type Chunk,
  isChunkAt,
  planChunks,
  positionText,
  progressed,
  readChunks,
  start,
  updateChunk,
} from './chunks.ts'
import { type Context, type Flow, report } from './context.ts'
import { type Budget, shuffled, withWorkers } from './copy.ts'
import { attempt, gate } from './gate.ts'
import type { Difference, Verification } from './job.ts'
import { readWindow } from './replay.ts'
import { progressOf, selectProgress } from './steps.ts'
import { keyOf, type Row, selectKeys, selectWalk, type Table, textOf } from './tables.ts'
import { firstStride, readStretchesNow, type Stretch } from './walk.ts'

/** How often a row that differs and was not captured is looked at again before it is called wrong. */
const looksMax = 3
/** Differences that are told; one is enough to stop a move. */
const differencesMax = 100

/** Rows of the owner and of the copy that are to be the same. */
type Pair = { readonly table: Table; readonly owner: readonly Row[]; readonly copy: readonly Row[] }

/** What is not the same on both sides. O(n). */
export function differencesOf({ table, owner, copy }: Pair): readonly Difference[] {
  const rest = new Map(copy.map((row) => [keyOf(table, row), textOf(row)]))
  const found: Difference[] = []
  for (const row of owner) {
    const key = keyOf(table, row)
    const other = rest.get(key)
    rest.delete(key)
    if (other === textOf(row)) continue
    found.push({ table: table.name, key, how: other === undefined ? 'missing' : 'changed' })
  }
  const extra = [...rest.keys()].map((key): Difference => ({
    table: table.name,
    key,
    how: 'extra',
  }))
  return [...found, ...extra]
}

function compare({ safeguards }: Context, pair: Pair): readonly Difference[] {
  if (!safeguards.verify) return []
  const found = differencesOf(pair)
  return safeguards.verifyContent ? found : found.filter(({ how }) => how !== 'changed')
}

/**
 * Leaves out what may differ: rows that changed at the owner after `seq`, which the copy need not have yet. One round
 * trip, none when nothing differs.
 */
async function unexplained(
  context: Context,
  owner: SqlShard,
  { differences, seq }: { readonly differences: readonly Difference[]; readonly seq: number },
): Promise<readonly Difference[]> {
  if (differences.length === 0) return []
  const groups = context.tables.flatMap((table) => {
    const list = differences.filter(({ table: name }) => name === table.name)
    return list.length === 0 ? [] : [{ table, list }]
  })
  const answers = await owner.batch(
    groups.map(({ table, list }) =>
      selectCapturedSince(table, { keys: list.map(({ key }) => key), seq }),
    ),
    'read',
    context.call,
  )
  return groups.flatMap(({ list }, index) => {
    const captured = new Set(answers[index]?.rows.map(([position]) => Number(position)))
    return list.filter((_, position) => !captured.has(position))
  })
}

/**
 * Looks at suspicious rows again, both sides: another coordinator may have replayed and pruned what explained them.
 */
async function confirmed(
  context: Context,
  flow: Flow,
  suspicious: readonly Difference[],
): Promise<readonly Difference[]> {
  let left = suspicious
  for (let looks = 0; looks < looksMax && left.length > 0; looks += 1) {
    const keys = new Map<Table, readonly string[]>()
    for (const table of context.tables) {
      const list = left.filter(({ table: name }) => name === table.name).map(({ key }) => key)
      if (list.length > 0) keys.set(table, list)
    }
    left = await compareKeys(context, flow, keys)
  }
  return left
}

/** Compares the rows of some keys, and leaves out what is on its way. Two round trips, a third when rows differ. */
async function compareKeys(
  context: Context,
  flow: Flow,
  keys: ReadonlyMap<Table, readonly string[]>,
): Promise<readonly Difference[]> {
  const { call } = context
  const selects = [...keys].map(([table, list]) => selectKeys(table, list))
  const [newest, ...owned] = await flow.owner.batch([selectNewest, ...selects], 'read', call)
  const [progress, ...copied] = await flow.copy.batch(
    [selectProgress(context.move.id), ...selects],
    'read',
    call,
  )
  const differences = [...keys.keys()].flatMap((table, index) =>
    compare(context, { table, owner: owned[index]?.rows ?? [], copy: copied[index]?.rows ?? [] }),
  )
  const applied = progressOf(progress)?.applied ?? 0
  const seq = Math.min(applied, newestOf(newest))
  return unexplained(context, flow.owner, { differences, seq })
}

/** The rows of some stretches at the copy. One more than there may be is asked for, to see that there are not. */
async function readSame(
  context: Context,
  flow: Flow,
  stretches: readonly Stretch[],
): Promise<{ readonly rows: readonly Rows[]; readonly applied: number }> {
  const selects = stretches.map(({ table, range, after, until, rows }) =>
    selectWalk(table, { ...range, after, until, limit: rows.length * 2 + 100 }),
  )
  const { move, call } = context
  const [progress, ...rows] = await flow.copy.batch(
    [selectProgress(move.id), ...selects],
    'read',
    call,
  )
  return { rows, applied: progressOf(progress)?.applied ?? 0 }
}

/**
 * Compares the next rows of a chunk in both databases while writes go on. A row may differ only when it changed at the
 * owner after what the copy has. Two round trips, and a third when rows differ.
 */
async function compareNext(
  context: Context,
  flow: Flow,
  { chunk, stride }: { readonly chunk: Chunk; readonly stride: { rows: number; ranges: number } },
): Promise<{ readonly next: Chunk; readonly rows: number; readonly wrong: readonly Difference[] }> {
  const { limits, call } = context
  const tables = new Map(context.tables.map((table) => [table.name, table]))
  const job = { chunk, tables, stride, bounds: limits }
  const { stretches, newest } = await readStretchesNow(flow.owner, job, call)
  const copy = await readSame(context, flow, stretches)
  const differences = stretches.flatMap(({ table, rows }, index) =>
    compare(context, { table, owner: rows, copy: copy.rows[index]?.rows ?? [] }),
  )
  const seq = Math.min(copy.applied, newest)
  const suspicious = await unexplained(context, flow.owner, { differences, seq })
  const rows = stretches.reduce((sum, stretch) => sum + stretch.rows.length, 0)
  return {
    next: progressed(chunk, stretches.at(-1)?.next ?? chunk.position, rows),
    rows,
    wrong: await confirmed(context, flow, suspicious),
  }
}

/**
 * Compares chunks that were copied, several at once, within the budget. Answers whether all have been compared, and
 * what is wrong.
 */
export async function verifyChunks(
  context: Context,
  flow: Flow,
  budget: Budget,
): Promise<{ readonly isDone: boolean; readonly wrong: readonly Difference[] }> {
  const { move, limits, call } = context
  const chunks = await readChunks(flow.copy, move.id, call)
  const open = chunks.filter(({ state }) => state === 'copied')
  const wrong: Difference[] = []
  await withWorkers(shuffled(context, open), limits.parallel, async (chunk) => {
    const stride = firstStride()
    let current = chunk
    while (current.state === 'copied' && budget.left > 0) {
      budget.left -= 1
      const outcome = await compareNext(context, flow, { chunk: current, stride })
      wrong.push(...outcome.wrong)
      if (outcome.wrong.length > 0) return
      await context.pace(outcome.rows)
      const mark = [gate(isChunkAt(move.id, current)), updateChunk(move.id, outcome.next)]
      if ((await attempt(flow.copy, mark, call)) === undefined) return
      report(context, { compared: outcome.rows })
      current = outcome.next
    }
  })
  return { isDone: open.length === 0, wrong: wrong.slice(0, differencesMax) }
}

/**
 * Compares what changed between `verified` and `applied`, and moves `verified` there. Answers where it is then, and what
 * is wrong; `undefined` when another coordinator was faster. Four round trips, none when there is nothing.
 */
export async function verifyChanged(
  context: Context,
  flow: Flow,
  { verified, applied }: { readonly verified: number; readonly applied: number },
): Promise<{ readonly verified: number; readonly wrong: readonly Difference[] } | undefined> {
  if (verified >= applied) return { verified, wrong: [] }
  const changes = await readWindow(context, flow, verified)
  const upTo = Math.min(changes.upTo, applied)
  const differences = await compareKeys(context, flow, changes.keys)
  const wrong = await confirmed(context, flow, differences)
  if (wrong.length > 0) return { verified, wrong }
  const mark = {
    sql: 'UPDATE _mv_progress SET verified = ? WHERE job = ? AND verified = ?',
    args: [upTo, context.move.id, verified],
  }
  const [answer] = await flow.copy.batch([mark], 'write', context.call)
  return answer?.rowsAffected === 1 ? { verified: upTo, wrong } : undefined
}

/** Compares what was just replayed inside a freeze, where nothing may differ. */
export function verifyFrozen(
  context: Context,
  changes: Changes,
  copied: readonly Rows[],
): readonly Difference[] {
  return [...changes.keys.keys()].flatMap((table, index) =>
    compare(context, {
      table,
      owner: changes.rows.get(table) ?? [],
      copy: copied[index]?.rows ?? [],
    }),
  )
}

/**
 * Compares everything in both databases, and changes nothing: where a row differs and is not on its way, it is told.
 */
export async function compareAll(context: Context, flow: Flow): Promise<Verification> {
  const { move, limits } = context
  const differences: Difference[] = []
  let compared = 0
  const parts = planChunks(move.spec, limits.chunkRows).entries()
  await withWorkers([...parts], limits.parallel, async ([part, ranges]) => {
    const stride = firstStride()
    const position = { position: start, positionText: positionText(start) }
    let chunk: Chunk = { part, ranges, ...position, rows: 0, state: 'copied' }
    while (chunk.state === 'copied' && differences.length < differencesMax) {
      const outcome = await compareNext(context, flow, { chunk, stride })
      differences.push(...outcome.wrong)
      compared += outcome.rows
      report(context, { compared: outcome.rows })
      await context.pace(outcome.rows)
      chunk = outcome.next
    }
  })
  return { compared, differences: differences.slice(0, differencesMax) }
}
