import type { Client, ResultSet } from '@libsql/client'

/** A column that is text by its schema. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError(`Cannot read a column: it holds ${typeof value}, not text`)
}

/** A table, index, view or trigger as a database's own catalogue has it. */
export type SchemaObject = {
  readonly type: string
  readonly name: string
  readonly sql: string
}

/** What of a database is not as its migrations make it. */
export type Difference = {
  readonly kind: 'missing' | 'foreign' | 'changed'
  readonly type: string
  readonly name: string
}

/** Everything that somebody made; what SQLite and libSQL make for themselves is left out. */
const objectsQuery = String.raw`SELECT type, name, sql FROM sqlite_schema
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'libsql\_%' ESCAPE '\'`

/** Words, quoted words, texts, numbers and signs; comments and spaces are what lies between. */
const lexemes =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[([^\]]*)\]|[\w$]+|[^\s\w]/g

/** The same text for the same statement, however it is spaced, commented or quoted. */
export function normalised(sql: string): string {
  const parts = [...sql.matchAll(lexemes)].flatMap(([whole, ...names]) => {
    if (whole.startsWith('--') || whole.startsWith('/*')) return []
    if (whole.startsWith("'")) return [whole]
    return [(names.find((name) => name !== undefined) ?? whole).toLowerCase()]
  })
  return parts.join(' ')
}

function objectsIn({ rows }: ResultSet): readonly SchemaObject[] {
  return rows.map((row) => ({
    type: textOf(row['type']),
    name: textOf(row['name']),
    sql: normalised(textOf(row['sql'])),
  }))
}

/** One round trip. */
export async function schemaOf(client: Client): Promise<readonly SchemaObject[]> {
  return objectsIn(await client.execute(objectsQuery))
}

/** How a database differs from how it should be. */
export function differencesOf(
  actual: readonly SchemaObject[],
  expected: readonly SchemaObject[],
): readonly Difference[] {
  const label = ({ type, name }: SchemaObject) => `${type} ${name}`
  const found = new Map(actual.map((each) => [label(each), each]))
  const wanted = new Map(expected.map((each) => [label(each), each]))
  const differing = expected.flatMap((each): readonly Difference[] => {
    const { type, name } = each
    const other = found.get(label(each))
    if (other === undefined) return [{ kind: 'missing', type, name }]
    return other.sql === each.sql ? [] : [{ kind: 'changed', type, name }]
  })
  const foreign = actual
    .filter((each) => !wanted.has(label(each)))
    .map(({ type, name }): Difference => ({ kind: 'foreign', type, name }))
  return [...differing, ...foreign]
}
