import type { Rows, Statement } from '@stoa/kernel'
import type { TableShape } from '@stoa/sharding'

import { SchemaMismatchError } from './faults.ts'
import type { Condition } from './gate.ts'

function namesOf(shapes: readonly TableShape[]): string {
  return JSON.stringify(shapes.map(({ name }) => name))
}

/** Every column of the tables, how many triggers capture their changes, and the fence's own hash, as one text. */
export function schemaOf(shapes: readonly TableShape[]): Condition {
  const names = namesOf(shapes)
  return {
    sql: `(SELECT coalesce(group_concat(line, ';'), '') FROM (
  SELECT t.value || '.' || c.name || ' ' || upper(c.type) AS line
  FROM json_each(?) AS t JOIN pragma_table_info(t.value) AS c ORDER BY t.key, c.name))
|| '|' || (SELECT count(*) FROM sqlite_schema
  WHERE type = 'trigger' AND tbl_name IN (SELECT value FROM json_each(?)) AND sql LIKE '%INTO _cdc%')
|| '|' || coalesce((SELECT fence_hash FROM _shard_meta WHERE id = 1), '')`,
    args: [names, names],
  }
}

/** Asks for the columns of the tables. Read the answer with {@link readColumns}. */
export function selectColumns(shapes: readonly TableShape[]): Statement {
  return {
    sql: `SELECT t.value, c.name, upper(c.type), c."notnull", c.pk,
  EXISTS (SELECT 1 FROM pragma_foreign_key_list(t.value))
FROM json_each(?) AS t JOIN pragma_table_info(t.value) AS c ORDER BY t.key, c.name`,
    args: [namesOf(shapes)],
  }
}

type Column = {
  readonly name: string
  readonly type: string
  readonly isNotNull: boolean
  readonly isPrimary: boolean
}

/** Row keys travel as JSON, which holds texts and whole numbers exactly, bytes as digits, and nothing else. */
const keyType = /^((TEXT|INTEGER|INT|BIGINT)\b|BLOB$)/

/**
 * The columns to copy, by table: all but a local row number.
 *
 * @throws SchemaMismatchError when a table is missing, lacks a column of its shape, or cannot be moved.
 */
export function readColumns(
  id: string,
  shapes: readonly TableShape[],
  { rows }: Pick<Rows, 'rows'>,
): Readonly<Record<string, readonly string[]>> {
  const tables = Map.groupBy(rows, ([table]) => String(table))
  const entries = shapes.map((shape) => {
    const { name, key, primaryKey } = shape
    const found = tables.get(name) ?? []
    const columns = found.map(([, column, type, isNotNull, position]): Column => ({
      name: String(column),
      type: String(type),
      isNotNull: isNotNull === 1 || Number(position) > 0,
      isPrimary: Number(position) > 0,
    }))
    if (found.length === 0) throw new SchemaMismatchError(id, `there is no table "${name}"`)
    if (found[0]?.[5] === 1)
      throw new SchemaMismatchError(id, `table "${name}" has a foreign key, which moves row by row`)
    for (const needed of new Set([key, ...primaryKey])) {
      const column = columns.find((each) => each.name === needed)
      if (column === undefined || !column.isNotNull || !keyType.test(column.type))
        throw new SchemaMismatchError(
          id,
          `"${name}.${needed}" must be a TEXT, INTEGER or BLOB column that is NOT NULL`,
        )
    }
    const copied = columns.filter((each) => !each.isPrimary || primaryKey.includes(each.name))
    return [name, copied.map((each) => each.name)] as const
  })
  return Object.fromEntries(entries)
}

/** The columns of a table's primary key that hold bytes, by a text of {@link schemaOf}. */
export function bytesIn(schema: string, { name, primaryKey }: TableShape): readonly string[] {
  const lines = new Set(schema.split('|', 1)[0]?.split(';'))
  return primaryKey.filter((column) => lines.has(`${name}.${column} BLOB`))
}

/** Whether the inserts, updates and deletes of every table are captured, by a text of {@link schemaOf}. */
export function isCaptured(schema: string, shapes: readonly TableShape[]): boolean {
  return Number(schema.split('|').at(-2)) >= shapes.length * 3
}
