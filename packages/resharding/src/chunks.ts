import type { Call, Rows, SqlShard, Statement } from '@stoa/kernel'

import type { Condition } from './gate.ts'
import type { MoveSpec } from './job.ts'
import { partsOf } from './spans.ts'

/** A range of keys of one table. */
export type Range = { readonly table: string; readonly lo: string; readonly hi: string }

/** The range that is next, and the place in it after which. */
export type Position = { readonly range: number; readonly after: string | null }

/** A part of the copy that one worker does: an immutable list of ranges, and how far it is. */
export type Chunk = {
  readonly part: number
  readonly ranges: readonly Range[]
  readonly position: Position
  /** As it is in the row, to compare and set. */
  readonly positionText: string
  readonly rows: number
  readonly state: 'copying' | 'copied' | 'verified'
}

export const start: Position = { range: 0, after: null }

/** A position as the row has it. The place is JSON itself, kept as text so that no number in it is read. */
export function positionText({ range, after }: Position): string {
  return JSON.stringify([range, after])
}

/** A large table makes several chunks; small ones share one. Depends on the plan alone. */
export function planChunks(
  { shapes, intervals, rows }: Pick<MoveSpec, 'shapes' | 'intervals' | 'rows'>,
  chunkRows: number,
): readonly (readonly Range[])[] {
  const chunks: Range[][] = []
  let shared: Range[] = []
  let sharedRows = 0
  for (const { name } of shapes) {
    const count = rows[name] ?? 0
    const parts = partsOf(intervals, Math.ceil(count / chunkRows)).map((spans) =>
      spans.map(({ lo, hi }): Range => ({ table: name, lo, hi })),
    )
    if (parts.length > 1) {
      chunks.push(...parts)
      continue
    }
    if (sharedRows + count > chunkRows && shared.length > 0) {
      chunks.push(shared)
      shared = []
      sharedRows = 0
    }
    shared.push(...parts.flat())
    sharedRows += count
  }
  if (shared.length > 0) chunks.push(shared)
  return chunks
}

export function insertChunks(id: string, chunks: readonly (readonly Range[])[]): Statement {
  return {
    sql: `INSERT INTO _mv_chunk (job, part, ranges) SELECT ?, key, value FROM json_each(?)`,
    args: [
      id,
      JSON.stringify(chunks.map((ranges) => ranges.map(({ table, lo, hi }) => [table, lo, hi]))),
    ],
  }
}

function chunkOf(row: Rows['rows'][number]): Chunk {
  const [part, ranges, position, rows, state] = row
  const [range, after] = JSON.parse(String(position)) as [number, string | null]
  const list = JSON.parse(String(ranges)) as readonly [string, string, string][]
  return {
    part: Number(part),
    ranges: list.map(([table, lo, hi]) => ({ table, lo, hi })),
    position: { range, after },
    positionText: String(position),
    rows: Number(rows),
    state: String(state) as Chunk['state'],
  }
}

/** One round trip. */
export async function readChunks(
  shard: SqlShard,
  id: string,
  call: Call,
): Promise<readonly Chunk[]> {
  const select = {
    sql: 'SELECT part, ranges, position, rows, state FROM _mv_chunk WHERE job = ? ORDER BY part',
    args: [id],
  }
  const [rows] = await shard.batch([select], 'read', call)
  return (rows?.rows ?? []).map(chunkOf)
}

/** Holds while the chunk is where the worker read it. */
export function isChunkAt(id: string, { part, positionText: at, state }: Chunk): Condition {
  return {
    sql: 'EXISTS (SELECT 1 FROM _mv_chunk WHERE job = ? AND part = ? AND position = ? AND state = ?)',
    args: [id, part, at, state],
  }
}

/** Holds when every chunk is there. */
export function isCopied(id: string): Condition {
  return {
    sql: "NOT EXISTS (SELECT 1 FROM _mv_chunk WHERE job = ? AND state = 'copying')",
    args: [id],
  }
}

/** The chunk after some of its rows were copied, or compared: at its end it comes into its next state. */
export function progressed(chunk: Chunk, position: Position, rows: number): Chunk {
  const isAtEnd = position.range >= chunk.ranges.length
  const next = isAtEnd ? start : position
  const after = chunk.state === 'copying' ? 'copied' : 'verified'
  return {
    ...chunk,
    position: next,
    positionText: positionText(next),
    rows: chunk.state === 'copying' ? chunk.rows + rows : chunk.rows,
    state: isAtEnd ? after : chunk.state,
  }
}

export function updateChunk(id: string, { part, positionText: at, rows, state }: Chunk): Statement {
  return {
    sql: 'UPDATE _mv_chunk SET position = ?, rows = ?, state = ? WHERE job = ? AND part = ?',
    args: [at, rows, state, id, part],
  }
}
