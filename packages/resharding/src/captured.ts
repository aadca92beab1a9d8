import type { Rows, SqlValue, Statement } from '@stoa/kernel'
import { ownerOf } from '@stoa/sharding'

import { listed, packedKey, quoted, type Row, sizeOf, type Table, unpackedKey } from './tables.ts'

/** One change of a row, as the owner captured it: which row, not what became of it. */
type Entry = { readonly seq: number; readonly table: string; readonly key: string }

/** What changed in a window of the capture: the keys, and the rows as they are now. */
export type Changes = {
  readonly after: number
  /** Up to where the window reaches. */
  readonly upTo: number
  /** Where the capture stood altogether. */
  readonly newest: number
  /** The keys that changed, by table. */
  readonly keys: ReadonlyMap<Table, readonly string[]>
  /** Those of their rows that still exist. */
  readonly rows: ReadonlyMap<Table, readonly Row[]>
}

type Window = { readonly id: string; readonly after: number; readonly size: number }

const ofThisMove = `${ownerOf('c.key', 'job')} = ?`

/** How far the capture is, to be asked in the same snapshot as the rows. */
export const selectNewest: Statement = {
  // Not the largest that is there: what another move prunes must not make the newest fall.
  sql: "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '_cdc'), 0)",
  args: [],
}

/** Reads the answer to {@link selectNewest}. */
export function newestOf(rows: Rows | undefined): number {
  return Number(rows?.rows[0]?.[0] ?? 0)
}

/**
 * The statements that read a window of the capture: one for the entries, and one for each table's rows. They make sense
 * only in one snapshot with {@link selectNewest}, or in a later one.
 */
export function selectChanges(
  tables: readonly Table[],
  { id, after, size }: Window,
): readonly Statement[] {
  const window: readonly SqlValue[] = [after, after + size]
  return [
    {
      sql: `SELECT c.seq, c.tbl, c.pk FROM _cdc AS c WHERE c.seq > ? AND c.seq <= ? AND ${ofThisMove} ORDER BY c.seq`,
      args: [...window, id],
    },
    ...tables.map((table) => {
      const { name, primaryKey, columns } = table
      return {
        sql: `SELECT ${packedKey(table)}, ${listed(columns)} FROM ${quoted(name)}
WHERE (${listed(primaryKey)}) IN (SELECT ${unpackedKey(table, 'c.pk')} FROM _cdc AS c WHERE c.seq > ? AND c.seq <= ? AND c.tbl = ? AND ${ofThisMove})`,
        args: [...window, name, id],
      }
    }),
  ]
}

function entriesOf(rows: Rows | undefined): readonly Entry[] {
  return (rows?.rows ?? []).map(([seq, table, key]) => ({
    seq: Number(seq),
    table: String(table),
    key: String(key),
  }))
}

/**
 * Reads the answers to {@link selectChanges}. When the rows are more than `bytes`, the window is cut short, but for its
 * first change.
 */
export function readChanges(
  tables: readonly Table[],
  {
    after,
    size,
    newest,
  }: { readonly after: number; readonly size: number; readonly newest: number },
  { answers, bytes }: { readonly answers: readonly Rows[]; readonly bytes: number },
): Changes {
  const [first, ...others] = answers
  const byTable = tables.map((table, index) => {
    const found = (others[index]?.rows ?? []).map(([key, ...row]) => [String(key), row] as const)
    return [table, new Map<string, Row>(found)] as const
  })
  const tablesByName = new Map(byTable.map(([table, rows]) => [table.name, { table, rows }]))
  const keys = new Map<Table, Map<string, Row | undefined>>()
  let upTo = Math.max(after, Math.min(newest, after + size))
  let taken = 0
  for (const { seq, table: name, key } of entriesOf(first)) {
    const found = tablesByName.get(name)
    if (found === undefined) continue
    const known = keys.get(found.table) ?? new Map<string, Row | undefined>()
    if (known.has(key)) continue
    const row = found.rows.get(key)
    taken += row === undefined ? key.length : sizeOf(row)
    if (taken > bytes && keys.size > 0) {
      upTo = seq - 1
      break
    }
    known.set(key, row)
    keys.set(found.table, known)
  }
  return {
    after,
    upTo,
    newest,
    keys: new Map([...keys].map(([table, known]) => [table, [...known.keys()]])),
    rows: new Map(
      [...keys].map(([table, known]) => [
        table,
        [...known.values()].filter((row) => row !== undefined),
      ]),
    ),
  }
}

/** Which of these rows were captured after `seq`: their keys as {@link keyOf} spells them. */
export function selectCapturedSince(
  { name, primaryKey }: Table,
  { keys, seq }: { readonly keys: readonly string[]; readonly seq: number },
): Statement {
  const same = primaryKey
    .map((_, index) => `c.pk ->> ${index} = k.value ->> ${index}`)
    .join(' AND ')
  return {
    sql: `SELECT k.key FROM json_each(?) AS k WHERE EXISTS (
SELECT 1 FROM _cdc AS c WHERE c.seq > ? AND c.tbl = ? AND ${same})`,
    args: [`[${keys.join()}]`, seq, name],
  }
}
