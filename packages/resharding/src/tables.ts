import type { SqlValue, Statement } from '@stoa/kernel'
import type { TableShape } from '@stoa/sharding'

import type { Span } from './job.ts'

/** A table as the mover handles it. */
export type Table = TableShape & {
  readonly columns: readonly string[]
  /** The columns of the primary key that hold bytes. JSON has none: in a key they are hexadecimal digits, in capitals. */
  readonly bytes: readonly string[]
}

/** A row: its values in the order of the table's columns. */
export type Row = readonly SqlValue[]

/** SQLite takes 32,766 bound values in a statement. */
const bindingsMax = 30_000

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The columns by which rows are walked: the place first, so that an index gives the order. */
export function orderOf({ key, primaryKey }: TableShape): readonly string[] {
  return primaryKey[0] === key ? primaryKey : [key, ...primaryKey.filter((name) => name !== key)]
}

export function listed(columns: readonly string[]): string {
  return columns.map(quoted).join(', ')
}

/** The elements of one JSON array as a row of SQL, for some columns of a key. */
function unpacked({ bytes }: Table, columns: readonly string[], source: string): string {
  const parts = columns.map((column, index) => {
    const part = `${source} ->> ${index}`
    return bytes.includes(column) ? `unhex(${part})` : part
  })
  return parts.join(', ')
}

/** The primary key that the JSON array `source` spells, as a row of SQL. */
export function unpackedKey(table: Table, source: string): string {
  return unpacked(table, table.primaryKey, source)
}

/** The primary key of a row as a JSON array, in SQL: as the fence writes it when it captures the row. */
export function packedKey({ primaryKey, bytes }: Table): string {
  const parts = primaryKey.map((column) =>
    bytes.includes(column) ? `hex(${quoted(column)})` : quoted(column),
  )
  return `json_array(${parts.join(', ')})`
}

const byteTexts = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, '0'),
)

function partText(value: SqlValue): string {
  if (typeof value === 'bigint') return value.toString()
  if (!(value instanceof Uint8Array)) return JSON.stringify(value)
  return `"${Array.from(value, (byte) => byteTexts[byte]).join('')}"`
}

/** A JSON array of texts, whole numbers, exact for those beyond 2^53 too, and bytes as digits. */
export function jsonKey(values: readonly SqlValue[]): string {
  return `[${values.map(partText).join()}]`
}

function pick(table: Table, row: Row, columns: readonly string[]): readonly SqlValue[] {
  return columns.map((column) => row[table.columns.indexOf(column)] ?? null)
}

/** The primary key of a row, as a JSON array. */
export function keyOf(table: Table, row: Row): string {
  return jsonKey(pick(table, row, table.primaryKey))
}

/** Where a row is in the walk through its table, as a JSON array. */
export function placeOf(table: Table, row: Row): string {
  return jsonKey(pick(table, row, orderOf(table)))
}

export type Walk = Span & {
  /** The place after which to go on; null for the start. */
  readonly after: string | null
  /** The last place to give; null for the end. */
  readonly until?: string | null
  readonly limit: number
}

/** The next rows of a range of keys, in the order of their places. */
export function selectWalk(table: Table, { lo, hi, after, until = null, limit }: Walk): Statement {
  const order = orderOf(table)
  const place = `(${listed(order)})`
  const bound = (sign: string, at: string | null) =>
    at === null ? '' : ` AND ${place} ${sign} (${unpacked(table, order, '?')})`
  return {
    sql: `SELECT ${listed(table.columns)} FROM ${quoted(table.name)}
WHERE ${quoted(table.key)} >= ? AND ${quoted(table.key)} < ?${bound('>', after)}${bound('<=', until)}
ORDER BY ${listed(order)} LIMIT ?`,
    args: [
      lo,
      hi,
      ...(after === null ? [] : order.map(() => after)),
      ...(until === null ? [] : order.map(() => until)),
      limit,
    ],
  }
}

/** The rows of these primary keys. */
export function selectKeys(table: Table, keys: readonly string[]): Statement {
  const { primaryKey } = table
  return {
    sql: `SELECT ${listed(table.columns)} FROM ${quoted(table.name)}
WHERE (${listed(primaryKey)}) IN (SELECT ${unpackedKey(table, 'value')} FROM json_each(?))`,
    args: [`[${keys.join()}]`],
  }
}

export function deleteKeys(table: Table, keys: readonly string[]): Statement {
  const { primaryKey } = table
  return {
    sql: `DELETE FROM ${quoted(table.name)}
WHERE (${listed(primaryKey)}) IN (SELECT ${unpackedKey(table, 'value')} FROM json_each(?))`,
    args: [`[${keys.join()}]`],
  }
}

/** Deletes some rows of the ranges: at most `limit`. */
export function deleteSome(table: Table, intervals: readonly Span[], limit: number): Statement {
  const { name, key, primaryKey } = table
  const columns = primaryKey.map((column) => `t.${quoted(column)}`).join(', ')
  return {
    sql: `DELETE FROM ${quoted(name)} WHERE (${listed(primaryKey)}) IN (SELECT ${columns}
FROM json_each(?) AS span CROSS JOIN ${quoted(name)} AS t
WHERE t.${quoted(key)} >= span.value ->> 'lo' AND t.${quoted(key)} < span.value ->> 'hi' LIMIT ?)`,
    args: [JSON.stringify(intervals), limit],
  }
}

/** Counts the rows of the ranges: `count(*)`, or whether there is one. */
export function selectCount(
  { name, key }: TableShape,
  intervals: readonly Span[],
  what: 'count' | 'exists',
): Statement {
  const from = `FROM json_each(?) AS span CROSS JOIN ${quoted(name)} AS t
WHERE t.${quoted(key)} >= span.value ->> 'lo' AND t.${quoted(key)} < span.value ->> 'hi'`
  return {
    sql: what === 'count' ? `SELECT count(*) ${from}` : `SELECT EXISTS (SELECT 1 ${from})`,
    args: [JSON.stringify(intervals)],
  }
}

/**
 * Inserts rows. `keep`: a row that conflicts stays out, because what is there is newer, or its own change will come.
 * `replace`: what conflicts goes; it can only be a row that has changed since, whose change will come too.
 */
export function insertRows(
  table: Table,
  rows: readonly Row[],
  onConflict: 'keep' | 'replace',
): readonly Statement[] {
  const { columns } = table
  const size = Math.max(1, Math.floor(bindingsMax / columns.length))
  const values = `(${columns.map(() => '?').join()})`
  const verb = onConflict === 'replace' ? 'INSERT OR REPLACE' : 'INSERT'
  const tail = onConflict === 'keep' ? ' ON CONFLICT DO NOTHING' : ''
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) => {
    const part = rows.slice(index * size, (index + 1) * size)
    return {
      sql: `${verb} INTO ${quoted(table.name)} (${listed(columns)}) VALUES ${part.map(() => values).join()}${tail}`,
      args: part.flat(),
    }
  })
}

/** How much of a batch a row takes, about. */
export function sizeOf(row: Row): number {
  return row.reduce<number>((sum, value) => {
    if (typeof value === 'string' || value instanceof Uint8Array) return sum + value.length
    return sum + 8
  }, 0)
}

/** A row as text that is equal only for equal rows. */
export function textOf(row: Row): string {
  const texts = row.map((value) => {
    if (value instanceof Uint8Array) return `x${value.join()}`
    if (typeof value === 'number' || typeof value === 'bigint') return value.toString()
    return JSON.stringify(value)
  })
  return texts.join()
}
