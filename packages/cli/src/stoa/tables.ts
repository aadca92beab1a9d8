import type { Call, SqlShard, Statement } from '@stoa/kernel'
import type { MoveScope } from '@stoa/resharding'
import {
  catalogueQuery,
  readCatalogue,
  shapeOf,
  type SlotMap,
  type TableShape,
} from '@stoa/sharding'

import { BadCommandError } from './faults.ts'
import { type KeySpan, spansOfSlots } from './ranges.ts'
import type { System } from './system.ts'
import type { FindCuts } from './wish.ts'

/** A sharded table as the databases of a keyspace have it. */
export type ShardedTable = TableShape & {
  /** The columns that are the same in every copy of a row: all but a local row number. */
  readonly columns: readonly string[]
  /** Rows that a provider bills for one: its own, and one for each index. */
  readonly writesPerRow: number
}

const selectWrites: Statement = {
  sql: `SELECT t.name, 1 + (SELECT count(*) FROM pragma_index_list(t.name) AS i WHERE NOT (t.wr AND i.origin = 'pk'))
FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.type = 'table'`,
  args: [],
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The sharded tables of a database. One round trip. */
export async function tablesOf(shard: SqlShard, call: Call): Promise<readonly ShardedTable[]> {
  const [catalogue, writes] = await shard.batch([catalogueQuery, selectWrites], 'read', call)
  const counts = new Map(writes?.rows.map(([name, count]) => [String(name), Number(count)]))
  return readCatalogue(catalogue?.rows ?? []).flatMap((table) => {
    const shape = shapeOf(table)
    if (shape === undefined) return []
    // A primary key that is not what rows are named by is a row number, which is local.
    const isLocal = (name: string) =>
      table.primaryKey.includes(name) && !shape.primaryKey.includes(name)
    const columns = table.columns
      .filter(({ name, isGenerated }) => !isGenerated && !isLocal(name))
      .map(({ name }) => name)
    return [{ ...shape, columns, writesPerRow: counts.get(table.name) ?? 1 }]
  })
}

/** A scope as ranges of keys. */
export function spansOf(scope: MoveScope): readonly KeySpan[] {
  return scope.kind === 'slots' ? spansOfSlots(scope.slots) : [scope]
}

function selectCount({ name, key }: TableShape, spans: readonly KeySpan[]): Statement {
  return {
    sql: `SELECT count(*) FROM json_each(?) AS span CROSS JOIN ${quoted(name)} AS t
WHERE t.${quoted(key)} >= span.value ->> 'lo' AND t.${quoted(key)} < span.value ->> 'hi'`,
    args: [JSON.stringify(spans)],
  }
}

/** Rows in a scope, by table. One round trip; the database counts them. */
export async function countRows(
  shard: SqlShard,
  { tables, scope }: { readonly tables: readonly ShardedTable[]; readonly scope: MoveScope },
  call: Call,
): Promise<Readonly<Record<string, number>>> {
  const spans = spansOf(scope)
  const answers = await shard.batch(
    tables.map((table) => selectCount(table, spans)),
    'read',
    call,
  )
  return Object.fromEntries(
    tables.map(({ name }, at) => [name, Number(answers[at]?.rows[0]?.[0] ?? 0)]),
  )
}

type Part = { readonly shard: SqlShard; readonly span: KeySpan }

/** The key of the row number `rank` of a table over several parts. One round trip a part. */
async function keyAt(
  { name, key }: TableShape,
  {
    parts,
    rank,
  }: { readonly parts: readonly (Part & { readonly rows: number })[]; readonly rank: number },
  call: Call,
): Promise<string> {
  let offset = rank
  for (const { shard, span, rows } of parts) {
    if (offset < rows) {
      const query = {
        sql: `SELECT ${quoted(key)} FROM ${quoted(name)} WHERE ${quoted(key)} >= ? AND ${quoted(key)} < ?
ORDER BY ${quoted(key)} LIMIT 1 OFFSET ?`,
        args: [span.lo, span.hi, offset],
      }
      const [found] = await shard.batch([query], 'read', call)
      return String(found?.rows[0]?.[0] ?? '')
    }
    offset -= rows
  }
  return ''
}

/** Cuts an owner so that each part has as many rows of its largest table. @throws BadCommandError when there are too few */
export function cutFinder(
  { open }: Pick<System, 'open'>,
  tables: readonly ShardedTable[],
  call: Call,
): FindCuts {
  return async ({ lo, hi }, count, map: SlotMap) => {
    const parts = map.pieces(lo, hi).map(({ from, to, place }) => ({
      shard: open(place.shard),
      span: { lo: from, hi: to },
    }))
    const counted = await Promise.all(
      parts.map(({ shard, span }) =>
        countRows(shard, { tables, scope: { kind: 'range', ...span } }, call),
      ),
    )
    const rowsOf = (name: string) => counted.reduce((sum, rows) => sum + (rows[name] ?? 0), 0)
    const [largest] = tables.toSorted((one, other) => rowsOf(other.name) - rowsOf(one.name))
    const total = largest === undefined ? 0 : rowsOf(largest.name)
    if (largest === undefined || total < count)
      throw new BadCommandError(
        `Cannot cut the ${total} rows of "${lo}" into ${count} parts: give --at KEY,KEY`,
      )
    const sized = parts.map((part, at) => ({ ...part, rows: counted[at]?.[largest.name] ?? 0 }))
    return Promise.all(
      Array.from({ length: count - 1 }, (_, at) => {
        const rank = Math.floor(((at + 1) * total) / count)
        return keyAt(largest, { parts: sized, rank }, call)
      }),
    )
  }
}
