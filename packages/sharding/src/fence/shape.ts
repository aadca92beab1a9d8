import type { TableInfo } from './catalogue.ts'

/** How the rows of a sharded table are named and placed. */
export type TableShape = {
  readonly name: string
  /** The column whose text begins with the slot: it says where a row lives. */
  readonly key: string
  /** The columns that name a row in every database, the ones by which it is copied. */
  readonly primaryKey: readonly string[]
}

/** The events of an aggregate live with the aggregate, whatever their own ids are. */
const keyColumns: Readonly<Record<string, string>> = { outbox: 'okey' }

/**
 * The shape of a table by the rules of the house: its key column is the first of its primary key when that is text, or
 * else (an integer row number is local) of its first UNIQUE. `undefined` when it has neither.
 */
export function shapeOf(table: Pick<TableInfo, 'name' | 'uniqueKeys'>): TableShape | undefined {
  // The primary key comes first here unless it is the rowid, which has no index.
  const names = table.uniqueKeys[0]?.columns
  if (names === undefined) return undefined
  const primaryKey = names.filter((name) => name !== undefined)
  const [first] = primaryKey
  if (first === undefined || primaryKey.length < names.length) return undefined
  return { name: table.name, key: keyColumns[table.name] ?? first, primaryKey }
}
