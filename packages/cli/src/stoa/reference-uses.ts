import { type Call, type SqlShard } from '@stoa/kernel'

import { quoted } from './tables.ts'

/** A column of a sharded table that names rows of a reference table. */
type Use = {
  readonly keyspace: string
  readonly table: string
  readonly column: string
  readonly reference: string
  readonly key: string
}

const uses: readonly Use[] = [
  {
    keyspace: 'catalog',
    table: 'product',
    column: 'currency',
    reference: '_currency',
    key: 'code',
  },
]

/** The most texts that are told of one column of one database. */
const textsMax = 20

/**
 * Rows of a database that name what its reference tables do not have: joined where they are, one round trip for each
 * column, and one that asks whether the tables are there. The database reads all its rows.
 */
export async function unknownNames(
  database: SqlShard,
  keyspace: string,
  call: Call,
): Promise<readonly string[]> {
  const own = uses.filter((use) => use.keyspace === keyspace)
  if (own.length === 0) return []
  const select = { sql: "SELECT name FROM pragma_table_list WHERE schema = 'main'", args: [] }
  const [found] = await database.batch([select], 'read', call)
  const known = new Set(found?.rows.map(([name]) => String(name)))
  const problems: string[] = []
  for (const { table, column, reference, key } of own) {
    if (!known.has(table) || !known.has(reference)) continue
    const join = {
      sql: `SELECT t.${quoted(column)}, count(*) FROM ${quoted(table)} AS t
LEFT JOIN ${quoted(reference)} AS r ON r.${quoted(key)} = t.${quoted(column)}
WHERE r.${quoted(key)} IS NULL AND t.${quoted(column)} IS NOT NULL GROUP BY 1 ORDER BY 1 LIMIT ?`,
      args: [textsMax],
    }
    const [rows] = await database.batch([join], 'read', call)
    for (const [text, count] of rows?.rows ?? [])
      problems.push(
        `${database.name} has ${Number(count)} rows of "${table}" with ${column} "${String(text)}", which "${reference}" has not`,
      )
  }
  return problems
}
