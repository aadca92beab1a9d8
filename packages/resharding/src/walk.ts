import type { Call, SqlShard } from '@stoa/kernel'

import { newestOf, selectNewest } from './captured.ts'
import type { Chunk, Position, Range } from './chunks.ts'
import { placeOf, type Row, selectWalk, sizeOf, type Table } from './tables.ts'

/** Rows of one range, and where to go on after them. */
export type Stretch = {
  readonly range: Range
  readonly table: Table
  readonly rows: readonly Row[]
  /** Where the rows begin and end: after this place, and up to that one; null for the range's own borders. */
  readonly after: string | null
  readonly until: string | null
  readonly next: Position
}

/** Statements in one batch: a response takes 10 MB, and most ranges are small. */
const statementsMax = 32
/** The rows that are asked for before anything is known of their size: 16 of 600 kB still fit a response. */
const firstRows = 16

/** How much to ask for at a time; it learns from what came. */
export type Stride = { rows: number; ranges: number }

export function firstStride(): Stride {
  return { rows: firstRows, ranges: statementsMax }
}

/** The most rows, and bytes of their values, in one batch. */
export type Bounds = { readonly rows: number; readonly bytes: number }

function learn(stride: Stride, stretches: readonly Stretch[], bounds: Bounds): void {
  const rows = stretches.flatMap((stretch) => stretch.rows)
  const bytes = rows.reduce((sum, row) => sum + sizeOf(row), 0)
  const fitting = bytes === 0 ? bounds.rows : Math.floor((bounds.bytes * rows.length) / bytes)
  stride.rows = Math.max(1, Math.min(bounds.rows, fitting, stride.rows * 8))
  const each = Math.max(1, rows.length / Math.max(1, stretches.length))
  stride.ranges = Math.max(1, Math.min(statementsMax, Math.floor(stride.rows / each)))
}

/**
 * The next rows of a chunk, with how far the capture is, as one snapshot. They end at the first range that has more. One
 * round trip.
 */
export async function readStretchesNow(
  shard: SqlShard,
  {
    chunk,
    tables,
    stride,
    bounds,
  }: {
    readonly chunk: Chunk
    readonly tables: ReadonlyMap<string, Table>
    readonly stride: Stride
    readonly bounds: Bounds
  },
  call: Call,
): Promise<{ readonly stretches: readonly Stretch[]; readonly newest: number }> {
  const first = chunk.position.range
  const asked = chunk.ranges.slice(first, first + stride.ranges).flatMap((range, offset) => {
    const table = tables.get(range.table)
    const after = offset === 0 ? chunk.position.after : null
    return table === undefined ? [] : [{ range, table, after, index: first + offset }]
  })
  const limit = stride.rows
  const selects = asked.map(({ range, table, after }) =>
    selectWalk(table, { ...range, after, limit }),
  )
  const [newest, ...answers] = await shard.batch([selectNewest, ...selects], 'read', call)
  const stretches: Stretch[] = []
  for (const [position, { range, table, after, index }] of asked.entries()) {
    const rows = answers[position]?.rows ?? []
    const last = rows.length < limit ? undefined : rows.at(-1)
    const until = last === undefined ? null : placeOf(table, last)
    const next = until === null ? { range: index + 1, after: null } : { range: index, after: until }
    stretches.push({ range, table, rows, after, until, next })
    if (until !== null) break
  }
  learn(stride, stretches, bounds)
  return { stretches, newest: newestOf(newest) }
}

/** As {@link readStretchesNow}, for who does not ask how far the capture is. */
export async function readStretches(
  shard: SqlShard,
  job: Parameters<typeof readStretchesNow>[1],
  call: Call,
): Promise<readonly Stretch[]> {
  const { stretches } = await readStretchesNow(shard, job, call)
  return stretches
}

/** How far the rows from `from` on fit into what is left; that is taken off. An empty batch takes one, however large. */
function fill(
  rows: readonly Row[],
  from: number,
  { room, isEmpty }: { readonly room: { rows: number; bytes: number }; readonly isEmpty: boolean },
): number {
  let to = from
  for (const row of rows.slice(from)) {
    const size = sizeOf(row)
    const isForced = isEmpty && to === from
    if (!isForced && (room.rows < 1 || room.bytes < size)) break
    room.rows -= 1
    room.bytes -= size
    to += 1
  }
  return to
}

/** Cuts stretches into slices that one batch takes, in order. A slice may be several stretches, or a part of one. */
export function slicesOf(
  stretches: readonly Stretch[],
  bounds: Bounds,
): readonly (readonly Stretch[])[] {
  const slices: Stretch[][] = []
  let slice: Stretch[] = []
  let room = { ...bounds }
  const seal = (): void => {
    if (slice.length > 0) slices.push(slice)
    slice = []
    room = { ...bounds }
  }
  for (const stretch of stretches) {
    let from = 0
    do {
      const to = fill(stretch.rows, from, { room, isEmpty: room.rows === bounds.rows })
      if (to > from || stretch.rows.length === 0) slice.push(partOf(stretch, from, to))
      if (to < stretch.rows.length) seal()
      from = to
    } while (from < stretch.rows.length)
  }
  seal()
  return slices
}

function partOf(stretch: Stretch, from: number, to: number): Stretch {
  const { rows, table, next } = stretch
  const last = to < rows.length ? rows[to - 1] : undefined
  if (last === undefined) return { ...stretch, rows: rows.slice(from, to) }
  // A range is only left behind by its last part.
  const until = placeOf(table, last)
  const range = stretch.until === null ? next.range - 1 : next.range
  return { ...stretch, rows: rows.slice(from, to), until, next: { range, after: until } }
}
