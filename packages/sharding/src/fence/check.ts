import type { ForeignKey, TableInfo } from './catalogue.ts'
import { shapeOf, type TableShape } from './shape.ts'

/** Why a table cannot be sharded as it is, and what to do. */
export type ShapeProblem = { readonly table: string; readonly why: string }

const noKey =
  'it has no key: begin its primary key, or its first UNIQUE, with an id or with a text column "slot"'

/** What a change of a row can name it by: a real number has many spellings. */
const nameTypes: ReadonlySet<string> = new Set(['TEXT', 'INTEGER', 'BLOB'])

function columnProblems(table: TableInfo, { key, primaryKey }: TableShape): readonly string[] {
  const found = (name: string) => table.columns.find((column) => column.name === name)
  const place = found(key)
  if (place === undefined) return [`its key column "${key}" is not there`]
  const inKey = table.uniqueKeys.filter(({ columns }) => columns.includes(key))
  const others = primaryKey.filter((name) => name !== key).flatMap((name) => found(name) ?? [])
  return [
    place.type === 'TEXT'
      ? []
      : [`its key column "${key}" is ${place.type || 'untyped'}, not TEXT`],
    place.isNotNull ? [] : [`its key column "${key}" may be NULL: say NOT NULL`],
    place.isGenerated ? [`its key column "${key}" is computed`] : [],
    inKey.every(({ isBinary }) => isBinary)
      ? []
      : [
          `its key column "${key}" is compared by another rule than byte by byte: leave COLLATE out`,
        ],
    others
      .filter(({ type }) => !nameTypes.has(type))
      .map(
        ({ name, type }) =>
          `"${name}" names its rows and is ${type || 'untyped'}, not TEXT, INTEGER or BLOB`,
      ),
    others
      .filter(({ type, isNotNull }) => type === 'BLOB' && !isNotNull)
      .map(({ name }) => `"${name}" names its rows and may be NULL: say NOT NULL`),
  ].flat()
}

/** Rows of two slots must be able to part, and to meet rows of other slots without a conflict. */
function uniqueProblems(table: TableInfo, { key }: TableShape): readonly string[] {
  const ids = new Set(table.columns.filter(({ isId }) => isId).map(({ name }) => name))
  return table.uniqueKeys.flatMap(({ columns }) => {
    const [first] = columns
    if (columns.includes(undefined)) return ['a unique index of it is over an expression']
    if (first === undefined || first === key || ids.has(first)) return []
    return [
      `UNIQUE (${columns.join(', ')}) could join rows of two slots: begin it with "${key}", or claim the text in a lookup`,
    ]
  })
}

function foreignProblem(
  key: string,
  foreign: ForeignKey,
  parents: ReadonlyMap<string, TableShape>,
) {
  const parent = parents.get(foreign.parent)
  const [from] = foreign.columns
  const to = foreign.parentColumns[0] ?? parent?.primaryKey[0]
  if (parent !== undefined && from === key && to === parent.key) return []
  return [
    `its reference to "${foreign.parent}" could reach into another slot: let it go from key to key`,
  ]
}

/**
 * What stands against moving rows of these tables by their key: each problem names the table and the cure. An empty list
 * says that the tables can be fenced.
 */
export function checkShapes(tables: readonly TableInfo[]): readonly ShapeProblem[] {
  const shapes = new Map(
    tables.flatMap((table) => {
      const shape = shapeOf(table)
      return shape === undefined ? [] : [[table.name, shape] as const]
    }),
  )
  return tables.flatMap((table): readonly ShapeProblem[] => {
    const shape = shapes.get(table.name)
    const problems =
      shape === undefined
        ? [noKey]
        : [
            ...columnProblems(table, shape),
            ...uniqueProblems(table, shape),
            ...table.foreignKeys.flatMap((each) => foreignProblem(shape.key, each, shapes)),
            ...(table.replaces
              ? ['a rule of it says ON CONFLICT REPLACE, which deletes unseen']
              : []),
          ]
    return problems.map((why) => ({ table: table.name, why }))
  })
}
