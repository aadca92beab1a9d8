import type { InValue } from '@libsql/client'

import type { ColumnInfo, TableInfo } from '../../src/fence/catalogue.ts'
import { shapeOf, type TableShape } from '../../src/fence/shape.ts'
import type { FencedDatabase } from './databases.ts'

/** What the columns' own rules do not tell. */
const fixtures: Readonly<Record<string, Readonly<Record<string, 'id' | 'flag'>>>> = {
  cart: { member: 'id' },
}

export type SomeRow = Readonly<Record<string, InValue>>

/** How the rows of one table are made: from its columns and their checks. */
export type RowMaker = {
  readonly table: string
  readonly shape: TableShape
  /** Columns that are written, in order; row numbers are left out. */
  readonly columns: readonly string[]
  /** A column that an UPDATE may change, with a value it may have. A table that is all key has none. */
  readonly free: string | undefined
  /** Whether a key may be longer than a slot, so that rows of one slot can be in several pieces. */
  readonly divides: boolean
  /** The row `index` of the owner `prefix` (5 characters). Another index, another row in every key. */
  row(prefix: string, index: number): SomeRow
}

function textFor(ddl: string, { name }: ColumnInfo): string | undefined {
  const allowed = new RegExp(String.raw`\b${name}\s+IN\s*\(\s*'([^']*)'`, 'i').exec(ddl)?.[1]
  if (allowed !== undefined) return allowed
  if (new RegExp(String.raw`json_valid\(${name}\)`).test(ddl)) return '[]'
  const length = new RegExp(String.raw`length\(${name}\)\s*=\s*(\d+)`).exec(ddl)?.[1]
  return length === undefined ? undefined : 'E'.repeat(Number(length))
}

function id(prefix: string, index: number, column: number): string {
  return `${prefix}G${String(index).padStart(9, '0')}${String(column).padStart(5, '0')}`
}

/** @throws when a table has no shape. */
export async function rowMakerOf(database: FencedDatabase, info: TableInfo): Promise<RowMaker> {
  const shape = shapeOf(info)
  if (shape === undefined) throw new Error(`"${info.name}" has no shape`)
  const [found] = await database.run('SELECT sql FROM sqlite_schema WHERE name = ?', info.name)
  const ddl = String(found?.[0])
  const fixture = fixtures[info.name] ?? {}
  const inKey = new Set(info.uniqueKeys.flatMap(({ columns }) => columns))
  const written = info.columns.filter(
    ({ name, isNotNull }) => isNotNull || name in fixture || inKey.has(name),
  )
  const divides = !new RegExp(String.raw`length\(${shape.key}\) = 3\)`).test(ddl)
  const valueOf = (column: ColumnInfo, at: number, [prefix, index]: readonly [string, number]) => {
    if (column.isId || fixture[column.name] === 'id') return id(prefix, index, at)
    if (column.name === shape.key) return divides ? `${prefix}${index}` : prefix.slice(0, 3)
    if (column.type === 'BLOB') return Uint8Array.of(0, inKey.has(column.name) ? index : 1)
    if (column.type === 'INTEGER') return inKey.has(column.name) ? index : 1
    const text = textFor(ddl, column)
    return text ?? (inKey.has(column.name) ? `${prefix}-${index}` : 'text')
  }
  const free = info.columns.find(({ name, isGenerated }) => {
    return !isGenerated && !inKey.has(name) && !info.primaryKey.includes(name)
  })
  return {
    table: info.name,
    shape,
    columns: written.map(({ name }) => name),
    free: free?.name,
    divides,
    row: (prefix, index) =>
      Object.fromEntries(
        written.map((column, at) => [column.name, valueOf(column, at, [prefix, index])]),
      ),
  }
}
