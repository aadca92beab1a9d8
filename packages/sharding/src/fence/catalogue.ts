import type { Statement } from '@stoa/kernel'

export type ColumnInfo = {
  readonly name: string
  /** As declared, in capitals; empty when nothing was declared. */
  readonly type: string
  readonly isNotNull: boolean
  readonly isGenerated: boolean
  /** What a CHECK of the table says of its length: an id has 20 characters. */
  readonly isId: boolean
}

/** Columns that are unique together, in order. `undefined` stands for an expression. */
export type UniqueKey = {
  readonly columns: readonly (string | undefined)[]
  readonly isBinary: boolean
}

export type ForeignKey = {
  readonly columns: readonly string[]
  readonly parent: string
  readonly parentColumns: readonly string[]
}

/** What a database says of one of its tables. */
export type TableInfo = {
  readonly name: string
  readonly hasRowid: boolean
  readonly columns: readonly ColumnInfo[]
  /** In declared order; empty for a table without one. */
  readonly primaryKey: readonly string[]
  /** The text primary key, then UNIQUEs in declared order, then unique indexes. */
  readonly uniqueKeys: readonly UniqueKey[]
  readonly foreignKeys: readonly ForeignKey[]
  /** Whether a rule of the table deletes the rows that are in the way of a new one, without a word. */
  readonly replaces: boolean
}

/**
 * Asks a database for its tables: those of users, without virtual tables and what belongs to them, and without the
 * tables whose name begins with an underscore, which are local to a database. One statement.
 */
export const catalogueQuery: Statement = {
  sql: `SELECT t.name, t.wr, s.sql,
  (SELECT json_group_array(json_array(c.name, upper(c.type), c."notnull", c.hidden, c.pk))
    FROM (SELECT * FROM pragma_table_xinfo(t.name) ORDER BY cid) AS c),
  (SELECT json_group_array(json_array(i.name, i.origin,
      (SELECT json_group_array(json_array(x.name, x.coll))
        FROM (SELECT * FROM pragma_index_xinfo(i.name) WHERE key ORDER BY seqno) AS x)))
    FROM (SELECT * FROM pragma_index_list(t.name) WHERE "unique" ORDER BY seq DESC) AS i),
  (SELECT json_group_array(json_array(f.id, f."table", f."from", f."to"))
    FROM (SELECT * FROM pragma_foreign_key_list(t.name) ORDER BY id, seq) AS f)
FROM pragma_table_list AS t JOIN sqlite_schema AS s ON s.type = 'table' AND s.name = t.name
WHERE t.schema = 'main' AND t.type = 'table' AND substr(t.name, 1, 1) <> '_' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY t.name`,
  args: [],
}

type ColumnRow = readonly [string, string, number, number, number]
type UniqueRow = readonly [string, 'c' | 'u' | 'pk', readonly (readonly [string | null, string])[]]
type ForeignRow = readonly [number, string, string, string | null]

function uniqueKeysOf(rows: readonly UniqueRow[]): readonly UniqueKey[] {
  const primaryFirst = rows.toSorted(
    ([, one], [, other]) => Number(other === 'pk') - Number(one === 'pk'),
  )
  return primaryFirst.map(([, , parts]) => ({
    columns: parts.map(([name]) => name ?? undefined),
    isBinary: parts.every(([, collation]) => collation === 'BINARY'),
  }))
}

function foreignKeysOf(rows: readonly ForeignRow[]): readonly ForeignKey[] {
  return [...Map.groupBy(rows, ([id]) => id).values()].map((parts) => ({
    columns: parts.map(([, , from]) => from),
    parent: parts[0]?.[1] ?? '',
    // A reference that names no columns means the parent's primary key.
    parentColumns: parts.flatMap(([, , , to]) => to ?? []),
  }))
}

function tableOf(row: ArrayLike<unknown>): TableInfo {
  const [name, isWithoutRowid, ddl, columns, unique, foreign] = Array.from(row)
  // JSON that the query itself made, so its form is known.
  const list = JSON.parse(String(columns)) as readonly ColumnRow[]
  const uniqueRows = JSON.parse(String(unique)) as readonly UniqueRow[]
  const foreignRows = JSON.parse(String(foreign)) as readonly ForeignRow[]
  const keyed = list.filter(([, , , , position]) => position > 0)
  return {
    name: String(name),
    hasRowid: Number(isWithoutRowid) === 0,
    columns: list.map(([column, type, isNotNull, hidden, position]) => ({
      name: column,
      type,
      // SQLite lets the primary key of a table with a rowid be NULL.
      isNotNull: isNotNull === 1 || (position > 0 && Number(isWithoutRowid) === 1),
      isGenerated: hidden > 1,
      isId: isIdIn(String(ddl), column),
    })),
    primaryKey: keyed.toSorted(([, , , , a], [, , , , b]) => a - b).map(([column]) => column),
    uniqueKeys: uniqueKeysOf(uniqueRows),
    foreignKeys: foreignKeysOf(foreignRows),
    replaces: /\bon\s+conflict\s+replace\b/i.test(String(ddl)),
  }
}

/** Whether the table's own text holds a CHECK of the length that only an id has. */
function isIdIn(ddl: string, column: string): boolean {
  const name = column.replaceAll(/[^\w]/g, String.raw`\$&`)
  return new RegExp(String.raw`\blength\s*\(\s*["\`\[]?${name}["\`\]]?\s*\)\s*=\s*20\b`, 'i').test(
    ddl,
  )
}

/** Reads the rows of {@link catalogueQuery}, as arrays or as rows of the libSQL client. */
export function readCatalogue(rows: readonly ArrayLike<unknown>[]): readonly TableInfo[] {
  return rows.map(tableOf)
}
