import { type Rows, slotText, type SqlValue, type Statement } from '@stoa/kernel'

import { slotOfBoard } from './buffer.ts'
import { boardSize, type Effects, type Sums } from './effects.ts'
import { type BoardDelta, flushTimeText } from './flush.ts'
import type { Kind } from './kind.ts'
import { partOf, type RowSet, rowsOf } from './row-text.ts'
import { bucketKey, bucketOf, bucketSlots, idOfRow, slotOf } from './subject.ts'

const counterMax = Number.MAX_SAFE_INTEGER

/** An element of a {@link RowSet}, its parts, and whether it is that of a row c. */
const row = 'r.value'
const [slot, bytes] = [partOf.slot(row), partOf.id(row)]
const isRow = `c.slot = ${slot} AND c.id = ${bytes}`

function statement(sql: string, ...args: readonly SqlValue[]): Statement {
  return { sql, args }
}

/** A plain insert, without OR IGNORE: a flush that a bucket has taken must stop the batch, not pass it. */
function insertApplied(effects: Effects): Statement {
  const rows = effects.parts.map(({ bucket, flush }) => bucketKey(bucket) + flush)
  return statement(
    `INSERT INTO count_applied (slot, flush) SELECT substr(value, 1, 3), substr(value, 4) FROM json_each(?)`,
    JSON.stringify(rows),
  )
}

/** Forgets what no entry that is still taken can be. */
function pruneApplied(buckets: readonly string[], before: number): Statement {
  return statement(
    `DELETE FROM count_applied WHERE slot IN (SELECT value FROM json_each(?)) AND flush < ?`,
    JSON.stringify(buckets),
    flushTimeText(before),
  )
}

function bumpBuckets(buckets: readonly string[]): Statement {
  return statement(
    `INSERT INTO count_bucket (slot, seq) SELECT value, 1 FROM json_each(?) WHERE true
ON CONFLICT (slot) DO UPDATE SET seq = seq + 1 RETURNING slot, seq`,
    JSON.stringify(buckets),
  )
}

/** Bumps one bucket when it is still at `seq`; aborts the batch when it is not: seq is NOT NULL. */
export function gateBucket(bucket: string, seq: number): Statement {
  return statement(
    `INSERT INTO count_bucket (slot, seq) VALUES (?, 1)
ON CONFLICT (slot) DO UPDATE SET seq = CASE WHEN seq = ? THEN seq + 1 END`,
    bucket,
    seq,
  )
}

/** Marks objects that have no row but may be in a page. Costs one look-up a row while there are no pages. */
function markThaw(kind: Kind, { json }: RowSet): Statement {
  return statement(
    `INSERT INTO count_thaw (slot, kind, id)
SELECT ${slot}, ?, ${bytes} FROM json_each(?) AS r
WHERE EXISTS (SELECT 1 FROM count_page AS p WHERE p.slot = ${partOf.page(row)} AND p.kind = ?)
  AND NOT EXISTS (SELECT 1 FROM count_${kind.name} AS c WHERE ${isRow})
ON CONFLICT DO NOTHING`,
    kind.name,
    json,
    kind.name,
  )
}

/** Every object of the buckets that waits to be thawed: few, most of the time none. */
function selectThaw(kind: Kind, buckets: readonly number[]): Statement {
  return statement(
    `SELECT t.slot, hex(t.id) FROM json_each(?) AS b JOIN count_thaw AS t
ON t.slot BETWEEN b.value ->> 0 AND b.value ->> 1 AND t.kind = ?`,
    JSON.stringify(buckets.map(bucketSlots)),
    kind.name,
  )
}

/** A sum that would pass its bound stays at it for ever, and reads as saturated: one full counter must stop no drain. */
function saturated(metric: string): string {
  const sum = `${metric} + excluded.${metric}`
  return `${metric} = CASE WHEN abs(${metric}) = ${counterMax} THEN ${metric}
  WHEN ${sum} > ${counterMax} THEN ${counterMax} WHEN ${sum} < -${counterMax} THEN -${counterMax} ELSE ${sum} END`
}

function exact(metric: string): string {
  return `${metric} = ${metric} + excluded.${metric}`
}

/** Adds a delta to each metric of each row. */
function addRows(
  kind: Kind,
  { json, width }: RowSet,
  setOf: (metric: string) => string,
): Statement {
  const names = kind.metrics.map(({ name }) => name)
  const deltas = names.map((_, index) => partOf.delta(row, index, width))
  return statement(
    `INSERT INTO count_${kind.name} (slot, id, ${names.join(', ')})
SELECT ${slot}, ${bytes}, ${deltas.join(', ')} FROM json_each(?) AS r WHERE true
ON CONFLICT (slot, id) DO UPDATE SET ${names.map(setOf).join(', ')}`,
    json,
  )
}

/**
 * The sums of the rows, in their order, as one text: to look all of them up once more costs less than RETURNING, which
 * answers a row for each.
 */
function selectSums(kind: Kind, { json }: RowSet): Statement {
  const sums = kind.metrics.map(({ name }) => `c.${name}`).join(` || ',' || `)
  return statement(
    `SELECT group_concat(${sums}, ';' ORDER BY r.key) AS sums
FROM json_each(?) AS r CROSS JOIN count_${kind.name} AS c ON ${isRow}`,
    json,
  )
}

function addWindows(windows: ReadonlyMap<string, number>): Statement {
  const rows = [...windows].map(([key, by]) => {
    const [kind = '', metric = '', width, start, id = ''] = key.split('|')
    return [id.slice(0, 3), id, `${kind}.${metric}`, Number(width), Number(start), by]
  })
  return statement(
    `INSERT INTO count_window (slot, subject, metric, width, start, n)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) WHERE true
ON CONFLICT (slot, subject, metric, width, start) DO UPDATE SET n = n + excluded.n`,
    JSON.stringify(rows),
  )
}

/**
 * Merges a summary into a board: what both list is summed, what one lists is raised by the other's floor, and the
 * smallest beyond the board's size are dropped.
 */
function mergeBoard({ board, start, summary }: BoardDelta): readonly Statement[] {
  const key = [slotText(slotOfBoard(board)), board, start] as const
  const mine = 'slot = ? AND board = ? AND start = ?'
  const items = JSON.stringify(summary.items)
  const update = statement(
    `UPDATE count_top SET n = n + heard.more, error = error + heard.doubt
FROM (SELECT value ->> 0 AS name, value ->> 1 AS more, value ->> 2 AS doubt FROM json_each(?)) AS heard
WHERE ${mine} AND item = heard.name`,
    items,
    ...key,
  )
  const raise = statement(
    `UPDATE count_top SET n = n + ?, error = error + ?
WHERE ${mine} AND item NOT IN (SELECT value ->> 0 FROM json_each(?))`,
    summary.floor,
    summary.floor,
    ...key,
    items,
  )
  const insert = statement(
    `INSERT INTO count_top (slot, board, start, item, n, error)
SELECT ?, ?, ?, value ->> 0, (value ->> 1) + floor.least, (value ->> 2) + floor.least FROM json_each(?),
  (SELECT CASE WHEN count(*) >= ? THEN min(n) ELSE 0 END AS least FROM count_top WHERE ${mine}) AS floor
WHERE value ->> 0 NOT IN (SELECT item FROM count_top WHERE ${mine})`,
    ...key,
    items,
    boardSize,
    ...key,
    ...key,
  )
  const cut = statement(
    `DELETE FROM count_top WHERE ${mine} AND item NOT IN
  (SELECT item FROM count_top WHERE ${mine} ORDER BY n DESC, item LIMIT ?)`,
    ...key,
    ...key,
    boardSize,
  )
  return summary.floor > 0 ? [update, raise, insert, cut] : [update, insert, cut]
}

/** A batch that applies effects, and how its answer is read. */
export type ApplyBatch = {
  readonly statements: readonly Statement[]
  read(rows: readonly Rows[]): Applied
}

/** What a bucket's counters are now, as one commit left them. */
export type Applied = {
  /** By bucket. */
  readonly seqs: ReadonlyMap<number, number>
  /**
   * Kind, then id to sums, `n,n,…` in the order of the metrics; those of objects that may be in a page too are not
   * totals.
   */
  readonly sums: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Kind, then ids that wait to be thawed: of all buckets that were touched. */
  readonly thawed: ReadonlyMap<string, readonly string[]>
}

export type ApplyOptions = {
  readonly kinds: readonly Kind[]
  /** Flushes from before this moment are forgotten. */
  readonly pruneBefore: number
  /** True for a caller who is to hear of an overflow: the batch then aborts. */
  readonly strict?: boolean
}

/** One batch: the dedupe rows first, then everything that the parts do. */
export function applyBatch(effects: Effects, options: ApplyOptions): ApplyBatch {
  const numbers = [...new Set(effects.parts.map(({ bucket }) => bucket))]
  const buckets = numbers.map(bucketKey)
  const head = [
    insertApplied(effects),
    pruneApplied(buckets, options.pruneBefore),
    bumpBuckets(buckets),
  ]
  const counted = options.kinds.filter(({ name }) => effects.counts.has(name))
  const sets = counted.map((kind): CountedSet => {
    const rows = rowsOf(kind, effects.counts.get(kind.name) ?? new Map())
    return { kind, rows }
  })
  const setOf = options.strict === true ? exact : saturated
  const adds = sets.flatMap(({ kind, rows }) => {
    const added = [addRows(kind, rows, setOf), selectSums(kind, rows)]
    return isFreezable(kind) ? [markThaw(kind, rows), ...added, selectThaw(kind, numbers)] : added
  })
  const windows = effects.windows.size === 0 ? [] : [addWindows(effects.windows)]
  const boards = effects.boards.flatMap(mergeBoard)
  return {
    statements: [...head, ...adds, ...windows, ...boards],
    read: (rows) => readApplied(rows, sets),
  }
}

/** Adds deltas to rows of one kind, outside of any flush; for who has made sure otherwise that it happens once. */
export function addDeltas(kind: Kind, sums: Sums): readonly Statement[] {
  const rows = rowsOf(kind, sums)
  const add = addRows(kind, rows, exact)
  return isFreezable(kind) ? [markThaw(kind, rows), add] : [add]
}

function isFreezable({ pagesPerBucket }: Kind): boolean {
  return pagesPerBucket !== undefined
}

/** Sums by id; none when the answer is not one of each row, so that nobody is told another's. */
function readSums(answer: Rows | undefined, { ids }: RowSet): Map<string, string> {
  const text = answer?.rows[0]?.[0]
  const sums = typeof text === 'string' ? text.split(';') : []
  return new Map(sums.length === ids.length ? ids.map((id, at) => [id, sums[at] ?? '']) : [])
}

type CountedSet = { readonly kind: Kind; readonly rows: RowSet }

function readApplied(answers: readonly Rows[], sets: readonly CountedSet[]): Applied {
  const seqs = new Map(
    (answers[2]?.rows ?? []).map(([bucket, seq]) => [bucketOfId(String(bucket)), Number(seq)]),
  )
  const sums = new Map<string, ReadonlyMap<string, string>>()
  const thawed = new Map<string, readonly string[]>()
  const rest = answers.slice(3).values()
  const next = () => rest.next().value
  for (const { kind, rows } of sets) {
    if (isFreezable(kind)) next()
    next()
    sums.set(kind.name, readSums(next(), rows))
    const marks = isFreezable(kind) ? (next()?.rows ?? []) : []
    if (marks.length === 0) continue
    thawed.set(
      kind.name,
      marks.map(([place, digits]) => idOfRow({ slot: String(place), rest: String(digits) })),
    )
  }
  return { seqs, sums, thawed }
}

/** Which of `parts` their buckets have taken. To be read per bucket, by its key. */
export function selectApplied(bucket: number, flushes: readonly string[]): Statement {
  return statement(
    `SELECT flush FROM count_applied WHERE slot = ? AND flush IN (SELECT value FROM json_each(?))`,
    bucketKey(bucket),
    JSON.stringify(flushes),
  )
}

export function insertDead(
  dead: { readonly id: string; readonly reason: string; readonly payload: string },
  bucket: number,
  now: number,
): Statement {
  return statement(
    `INSERT INTO count_dead (slot, flush, reason, payload, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    bucketKey(bucket),
    dead.id,
    dead.reason,
    dead.payload,
    now,
  )
}

/** The bucket of an id's rows. */
export function bucketOfId(id: string): number {
  return bucketOf(slotOf(id))
}
