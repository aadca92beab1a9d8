import type { Rows, SqlValue } from '@stoa/kernel'

/** A column that rows are ordered by. */
export type OrderBy = { readonly column: string; readonly descending?: boolean }

/** Whole and broken numbers together; then text; then bytes: https://www.sqlite.org/datatype3.html §4.1. */
function rank(value: SqlValue): number {
  if (value === null) return 0
  if (typeof value === 'number' || typeof value === 'bigint') return 1
  return typeof value === 'string' ? 2 : 3
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd8_00 && unit <= 0xdf_ff
}

/** Text by code point, as SQLite's BINARY collation has it in UTF-8; JavaScript's `<` goes by UTF-16 units. */
function compareText(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let i = 0; i < length; i += 1) {
    const [a, b] = [one.charCodeAt(i), other.charCodeAt(i)]
    if (a === b) continue
    // A surrogate stands for a code point above all others of its plane.
    if (isSurrogate(a) !== isSurrogate(b)) return isSurrogate(a) ? 1 : -1
    return a - b
  }
  return one.length - other.length
}

function compareBytes(one: Uint8Array, other: Uint8Array): number {
  const at = one.findIndex((byte, index) => byte !== other[index])
  if (at === -1) return one.length - other.length
  return (one[at] ?? 0) - (other[at] ?? -1)
}

/** The order of SQLite: NULL, numbers, text, bytes. Negative when `one` comes first. */
export function compareValues(one: SqlValue, other: SqlValue): number {
  if (rank(one) !== rank(other)) return rank(one) - rank(other)
  if (typeof one === 'string' && typeof other === 'string') return compareText(one, other)
  if (one instanceof Uint8Array && other instanceof Uint8Array) return compareBytes(one, other)
  if (one === null || other === null || one === other) return 0
  return one < other ? -1 : 1
}

type Row = readonly SqlValue[]

function comparatorOf(columns: readonly string[], order: readonly OrderBy[]) {
  const keys = order.map(({ column, descending = false }) => {
    const index = columns.indexOf(column)
    if (index === -1)
      throw new RangeError(`Cannot merge by "${column}": the query has no such column`)
    return { index, sign: descending ? -1 : 1 }
  })
  return (one: Row, other: Row): number => {
    for (const { index, sign } of keys) {
      const difference = compareValues(one[index] ?? null, other[index] ?? null)
      if (difference !== 0) return difference * sign
    }
    return 0
  }
}

/**
 * Merges row sets, each already in `order`, into the first `limit` rows of them all. Of equal rows those of the earlier
 * set come first. Costs O(limit × sets); the sets are few.
 *
 * @throws RangeError when a set lacks a column of `order`.
 */
export function mergeRows(
  sets: readonly Rows[],
  { order, limit }: { readonly order: readonly OrderBy[]; readonly limit: number },
): Rows {
  const [first] = sets
  if (first === undefined) return { columns: [], rows: [], rowsAffected: 0 }
  const compare = comparatorOf(first.columns, order)
  const next = sets.map(() => 0)
  const rows: Row[] = []
  while (rows.length < limit) {
    let best = -1
    let bestRow: Row | undefined
    for (const [index, set] of sets.entries()) {
      const row = set.rows[next[index] ?? 0]
      if (row === undefined || (bestRow !== undefined && compare(row, bestRow) >= 0)) continue
      best = index
      bestRow = row
    }
    if (bestRow === undefined) break
    rows.push(bestRow)
    next[best] = (next[best] ?? 0) + 1
  }
  return { columns: first.columns, rows, rowsAffected: 0 }
}
