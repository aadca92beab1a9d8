import { type Rows, slotText, type SqlValue, type Statement } from '@stoa/kernel'

import { slotOfBoard } from './buffer.ts'
import { boardOf } from './effects.ts'
import type { Board, Kind } from './kind.ts'
import { keptMsDefault, windowKeptMs } from './retention.ts'
import { bucketKey, bucketOf, bucketSlots } from './subject.ts'

/** What is past its time goes: windows and sketches by a walk through their tables, boards by their key. */

/** Rows of one table that a visit of a bucket looks at; and rows of one board that it deletes. */
const rowsAtOnce = 5_000

/** Rows whose named columns are these, and whose time, the last of the key, is below `before`. */
type Rule = { readonly is: readonly SqlValue[]; readonly before: number }

/** A table of a bucket that is walked in the order of its keys, a part at each visit. */
export type Walk = {
  readonly table: string
  readonly bucket: number
  /** The columns of the key. */
  readonly key: readonly string[]
  readonly named: readonly string[]
  readonly rules: readonly Rule[]
}

/** The next part of a walk. */
export type Stretch = {
  /** The place that was reached; in the order of the key's columns. */
  readonly from: readonly SqlValue[]
  /** The last key of this part; none when the rest of the bucket is in it. */
  readonly to: readonly SqlValue[] | undefined
  /** How many rows of it are past their time. */
  readonly old: number
}

type Declared = { readonly kinds: readonly Kind[]; readonly boards: readonly Board[] }

function windowRules(kinds: readonly Kind[], now: number): readonly Rule[] {
  return kinds.flatMap((kind) =>
    kind.metrics.flatMap(({ name, windowsMs = [], windowsKeptMs = [] }) =>
      windowsMs.map((width, at) => {
        const keptMs = windowsKeptMs[at] ?? windowKeptMs(width)
        return { is: [boardOf(kind, name), width], before: now - keptMs - width + 1 }
      }),
    ),
  )
}

function uniqueRules(kinds: readonly Kind[], now: number): readonly Rule[] {
  return kinds.flatMap(({ name: kind, uniques = [], uniquesKeptMs = keptMsDefault }) =>
    uniques.map((name) => ({ is: [`${kind}.${name}`], before: now - uniquesKeptMs + 1 })),
  )
}

/** The walks of a bucket by what is declared; rows of what nobody declares any more stay. */
export function walksOf(kinds: readonly Kind[], bucket: number, now: number): readonly Walk[] {
  const walks: readonly Walk[] = [
    {
      table: 'count_window',
      bucket,
      key: ['slot', 'subject', 'metric', 'width', 'start'],
      named: ['metric', 'width'],
      rules: windowRules(kinds, now),
    },
    {
      table: 'count_unique',
      bucket,
      key: ['slot', 'subject', 'metric', 'period'],
      named: ['metric'],
      rules: uniqueRules(kinds, now),
    },
  ]
  return walks.filter(({ rules }) => rules.length > 0)
}

/** Before the first key of the bucket, since no subject is empty; past the last, since every one is below `~`. */
function edgeOf({ key, bucket }: Walk, edge: 'start' | 'end'): readonly SqlValue[] {
  const [first, last] = bucketSlots(bucket)
  const rest = key.slice(2).map(() => 0)
  return edge === 'start' ? [first, '', ...rest] : [last, '~', ...rest]
}

/** Whether a row is past its time. Period 0 is for ever. */
function isOld({ key, named, rules }: Walk): {
  readonly sql: string
  readonly args: readonly SqlValue[]
} {
  const time = key.at(-1) ?? ''
  const one = [...named.map((column) => `${column} = ?`), `${time} > 0`, `${time} < ?`]
  return {
    sql: `(${rules.map(() => `(${one.join(' AND ')})`).join(' OR ')})`,
    args: rules.flatMap(({ is, before }) => [...is, before]),
  }
}

/** Where a walk stands, and how far its next part goes. */
export function selectStretch(walk: Walk): Statement {
  const columns = walk.key.join(', ')
  const place = walk.key.map((_, at) => `s.at ->> ${at}`).join(', ')
  const [, last] = bucketSlots(walk.bucket)
  const after = `FROM ${walk.table} WHERE (${columns}) > (${place}) AND slot <= ? ORDER BY ${columns}`
  const old = isOld(walk)
  return {
    sql: `SELECT s.at AS at,
(SELECT json_array(${columns}) ${after} LIMIT 1 OFFSET ?) AS last,
(SELECT count(*) FROM (SELECT ${columns} ${after} LIMIT ?) WHERE ${old.sql}) AS old
FROM (SELECT coalesce((SELECT at FROM count_sweep WHERE slot = ? AND task = ?), ?) AS at) AS s`,
    args: [
      last,
      rowsAtOnce - 1,
      last,
      rowsAtOnce,
      ...old.args,
      bucketKey(walk.bucket),
      walk.table,
      JSON.stringify(edgeOf(walk, 'start')),
    ],
  }
}

function readPlace(text: string): readonly SqlValue[] {
  return JSON.parse(text) as readonly SqlValue[]
}

export function readStretch(rows: Rows | undefined): Stretch {
  const [at, last, old] = rows?.rows[0] ?? []
  return {
    from: readPlace(String(at)),
    to: typeof last === 'string' ? readPlace(last) : undefined,
    old: Number(old),
  }
}

/** Notes how far a task of a bucket has come. */
export function noteTask(bucket: number, task: string, at: string): Statement {
  return {
    sql: `INSERT INTO count_sweep (slot, task, at) VALUES (?, ?, ?)
ON CONFLICT (slot, task) DO UPDATE SET at = excluded.at`,
    args: [bucketKey(bucket), task, at],
  }
}

/** Forgets what is old in a part, and goes on behind it. Nothing when there is nothing to do. */
export function forgetStretch(walk: Walk, { from, to, old }: Stretch): readonly Statement[] {
  const columns = walk.key.join(', ')
  const marks = walk.key.map(() => '?').join(', ')
  const rule = isOld(walk)
  const forget = {
    sql: `DELETE FROM ${walk.table}
WHERE (${columns}) > (${marks}) AND (${columns}) <= (${marks}) AND ${rule.sql}`,
    args: [...from, ...(to ?? edgeOf(walk, 'end')), ...rule.args],
  }
  const [reached, next] = [from, to ?? edgeOf(walk, 'start')].map((place) => JSON.stringify(place))
  const note = next === reached ? [] : [noteTask(walk.bucket, walk.table, next ?? '')]
  return old === 0 ? note : [forget, ...note]
}

/** Windows of a board that lies in a bucket, before a moment. */
export type OldBoard = { readonly board: string; readonly before: number }

export function oldBoardsOf(
  { kinds, boards }: Declared,
  bucket: number,
  now: number,
): readonly OldBoard[] {
  const ofMetrics = kinds.flatMap((kind) =>
    kind.metrics.flatMap(({ name, boardMs, boardKeptMs }): readonly Board[] => {
      if (boardMs === undefined) return []
      const keptMs = boardKeptMs ?? keptMsDefault
      return [{ name: boardOf(kind, name), windowMs: boardMs, keptMs }]
    }),
  )
  return [...ofMetrics, ...boards]
    .filter(({ name }) => bucketOf(slotOfBoard(name)) === bucket)
    .map(({ name, windowMs, keptMs = keptMsDefault }) => ({
      board: name,
      before: now - keptMs - windowMs + 1,
    }))
}

const isOfBoard = 'slot = ? AND board = ? AND start < ?'

function argsOf({ board, before }: OldBoard): readonly SqlValue[] {
  return [slotText(slotOfBoard(board)), board, before]
}

/** How many rows of a board are past their time, of those that would go at once. */
export function countOld(board: OldBoard): Statement {
  return {
    sql: `SELECT count(*) AS old FROM (SELECT 1 FROM count_top WHERE ${isOfBoard} LIMIT ?)`,
    args: [...argsOf(board), rowsAtOnce],
  }
}

export function forgetBoard(board: OldBoard): Statement {
  return {
    sql: `DELETE FROM count_top WHERE (slot, board, start, item) IN
  (SELECT slot, board, start, item FROM count_top WHERE ${isOfBoard} ORDER BY start, item LIMIT ?)`,
    args: [...argsOf(board), rowsAtOnce],
  }
}
