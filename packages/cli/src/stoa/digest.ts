import { type Call, type SqlShard, type SqlValue, type Statement } from '@stoa/kernel'
import { hex64, ownerOf, readableStates, xxh64 } from '@stoa/sharding'

import type { KeySpan } from './ranges.ts'
import { quoted, type ShardedTable } from './tables.ts'

/** Rows in one answer. */
const windowRows = 1_000

/** Rows and what they hold: the same for the same rows, in whatever database and order. */
export type Digest = { readonly rows: number; readonly sum: bigint }

export const emptyDigest: Digest = { rows: 0, sum: 0n }

export function addDigests(one: Digest, other: Digest): Digest {
  return { rows: one.rows + other.rows, sum: BigInt.asUintN(64, one.sum + other.sum) }
}

export function digestText({ sum }: Digest): string {
  return sum.toString(16).padStart(16, '0')
}

function valueText(value: SqlValue): string {
  if (value instanceof Uint8Array) return `x${value.join()}`
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString()
  return JSON.stringify(value)
}

/** A row as a number. */
function rowSum(row: readonly SqlValue[]): bigint {
  return BigInt(`0x${hex64(xxh64(row.map(valueText).join()))}`)
}

function columnsIn(columns: readonly string[]): string {
  return columns.map(quoted).join(', ')
}

/** The next rows of a range in the order of their keys, those keys first. */
function selectWindow(
  { name, key, primaryKey, columns }: ShardedTable,
  { lo, hi }: KeySpan,
  after: readonly SqlValue[] | undefined,
): Statement {
  const order = columnsIn([key, ...primaryKey.filter((column) => column !== key)])
  const marks = [key, ...primaryKey.filter((column) => column !== key)].map(() => '?').join()
  const bound = after === undefined ? '' : ` AND (${order}) > (${marks})`
  return {
    sql: `SELECT ${order}, ${columnsIn(columns)} FROM ${quoted(name)}
WHERE ${quoted(key)} >= ? AND ${quoted(key)} < ?${bound} ORDER BY ${order} LIMIT ${windowRows}`,
    args: [lo, hi, ...(after ?? [])],
  }
}

/** Reads every row of a range. A round trip for each 1,000 rows. */
export async function digestOf(
  shard: SqlShard,
  {
    table,
    span,
    onRows,
  }: {
    readonly table: ShardedTable
    readonly span: KeySpan
    readonly onRows: (rows: number) => void
  },
  call: Call,
): Promise<Digest> {
  const { key, primaryKey } = table
  const keys = 1 + primaryKey.filter((column) => column !== key).length
  let digest = emptyDigest
  let after: readonly SqlValue[] | undefined
  for (;;) {
    const [found] = await shard.batch([selectWindow(table, span, after)], 'read', call)
    const rows = found?.rows ?? []
    for (const row of rows) digest = addDigests(digest, { rows: 1, sum: rowSum(row.slice(keys)) })
    onRows(rows.length)
    if (rows.length < windowRows) return digest
    after = rows.at(-1)?.slice(0, keys)
  }
}

/** Counts rows of keys that the database does not own and that no move is bringing or taking: there should be none. */
export function selectStrays({ name, key }: ShardedTable): Statement {
  const place = `t.${quoted(key)}`
  return {
    sql: `SELECT count(*) FROM ${quoted(name)} AS t
WHERE coalesce(${ownerOf(place, 'state')}, '') NOT IN ${readableStates} AND ${ownerOf(place, 'job')} IS NULL`,
    args: [],
  }
}
