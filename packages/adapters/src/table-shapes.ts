import { shapeOf, type TableShape } from '@stoa/sharding'
import { is } from 'drizzle-orm'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'

type Named = { readonly name: string }

function namesOf(columns: readonly object[]): readonly string[] {
  // An expression in an index has no name, and names no rows.
  return columns.flatMap((column) => ('name' in column ? String(column.name) : []))
}

/** The primary key unless it is a row number, then the unique keys in declared order. */
function uniqueKeysOf(table: SQLiteTable): readonly (readonly string[])[] {
  const { columns, primaryKeys, uniqueConstraints, indexes } = getTableConfig(table)
  const own = columns.filter(({ primary, dataType }) => primary && dataType === 'string')
  return [
    ...own.map(({ name }: Named) => [name]),
    ...primaryKeys.map((key) => namesOf(key.columns)),
    ...columns.filter(({ isUnique }) => isUnique).map(({ name }: Named) => [name]),
    ...uniqueConstraints.map((key) => namesOf(key.columns)),
    ...indexes.filter(({ config }) => config.unique).map(({ config }) => namesOf(config.columns)),
  ]
}

/**
 * How the rows of each table of a drizzle schema are named and placed; pass the module, `* as schema`. What is no table is
 * passed over, and so are tables whose name begins with an underscore: they are local to a database.
 *
 * @throws TypeError when a table has no key.
 */
export function tableShapes(schema: Readonly<Record<string, unknown>>): readonly TableShape[] {
  const tables = Object.values(schema).filter((each): each is SQLiteTable => is(each, SQLiteTable))
  return tables.flatMap((table) => {
    const { name } = getTableConfig(table)
    if (name.startsWith('_')) return []
    const shape = shapeOf({
      name,
      uniqueKeys: uniqueKeysOf(table).map((columns) => ({ columns, isBinary: true })),
    })
    if (shape === undefined)
      throw new TypeError(`Cannot place the rows of "${name}": it has no key`)
    return [shape]
  })
}
