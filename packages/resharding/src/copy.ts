import { type Chunk, isChunkAt, progressed, readChunks, updateChunk } from './chunks.ts'
import { type Context, report } from './context.ts'
import { asMover, attempt, gate } from './gate.ts'
import { isAt } from './steps.ts'
import { insertRows, type Row, type Table } from './tables.ts'
import { firstStride, readStretches, slicesOf, type Stretch } from './walk.ts'

/** Rows by table, so that each table takes one statement. */
function byTable(stretches: readonly Stretch[]): ReadonlyMap<Table, readonly Row[]> {
  const tables = new Map<Table, Row[]>()
  for (const { table, rows } of stretches) {
    const list = tables.get(table) ?? []
    list.push(...rows)
    tables.set(table, list)
  }
  return tables
}

/**
 * Writes some rows of a chunk and how far it is now, as one. `undefined` when the chunk is no longer where it was read:
 * another worker had the same, or the move was taken back.
 */
async function writeSlice(
  context: Context,
  chunk: Chunk,
  slice: readonly Stretch[],
): Promise<Chunk | undefined> {
  const { move, target, safeguards, call } = context
  const count = slice.reduce((sum, { rows }) => sum + rows.length, 0)
  const next = progressed(chunk, slice.at(-1)?.next ?? chunk.position, count)
  const gates = safeguards.chunkGuard
    ? [isAt(move.id, ['receiving']), isChunkAt(move.id, chunk)].map(gate)
    : []
  const inserts = [...byTable(slice)].flatMap(([table, rows]) => insertRows(table, rows, 'keep'))
  const statements = [...gates, ...asMover(move.id, [...inserts, updateChunk(move.id, next)])]
  if ((await attempt(target, statements, call)) === undefined) return undefined
  report(context, { copied: count })
  return next
}

/** How many batches may still be sent, shared by the workers of one `advance`. */
export type Budget = { left: number }

/** Copies a chunk until it is done, the budget is spent, or somebody else is found at it. */
async function copyChunk(context: Context, chunk: Chunk, budget: Budget): Promise<void> {
  const { source, limits, call } = context
  const tables = new Map(context.tables.map((table) => [table.name, table]))
  const stride = firstStride()
  let current = chunk
  while (current.state === 'copying' && budget.left > 0) {
    const job = { chunk: current, tables, stride, bounds: limits }
    const stretches = await readStretches(source, job, call)
    for (const slice of slicesOf(stretches, limits)) {
      budget.left -= 1
      await context.pace(slice.reduce((sum, { rows }) => sum + rows.length, 0))
      const next = await writeSlice(context, current, slice)
      if (next === undefined) return
      current = next
    }
  }
}

/** The chunks in an order of each coordinator's own, so that two of them seldom meet. */
export function shuffled<T>({ options }: Context, items: readonly T[]): readonly T[] {
  const keyed = items.map((item) => ({ item, at: options.random.uint32() }))
  return keyed.toSorted((one, other) => one.at - other.at).map(({ item }) => item)
}

/**
 * Has `count` workers take items one by one. What one of them throws stops the others before their next item, and is
 * thrown when all have stopped.
 */
export async function withWorkers<T>(
  items: readonly T[],
  count: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items]
  const failures: Error[] = []
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      if (failures.length > 0) return
      try {
        await work(item)
      } catch (error) {
        failures.push(
          error instanceof Error ? error : new Error('a worker failed', { cause: error }),
        )
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker))
  const [failure] = failures
  if (failure !== undefined) throw failure
}

/** Copies chunks, several at once, within the budget. True when all of them are there. */
export async function copyChunks(context: Context, budget: Budget): Promise<boolean> {
  const { move, target, limits, call } = context
  const chunks = await readChunks(target, move.id, call)
  const open = chunks.filter(({ state }) => state === 'copying')
  if (open.length === 0) return true
  await withWorkers(shuffled(context, open), limits.parallel, async (chunk) => {
    if (budget.left > 0) await copyChunk(context, chunk, budget)
  })
  return false
}
