import { Fault, xxh32 } from '@stoa/kernel'

import type { TableInfo } from './catalogue.ts'
import { checkShapes, type ShapeProblem } from './check.ts'
import { shapeOf } from './shape.ts'
import { fenceOf, type Trigger } from './triggers.ts'

/** The fence of a whole database. */
export type FenceSet = {
  readonly triggers: readonly Trigger[]
  /** The same for the same triggers; kept in `_shard_meta.fence_hash`. 16 hexadecimal digits. */
  readonly hash: string
}

/** Tables that cannot be fenced as they are; nothing was changed. */
export class UnfenceableSchemaError extends Fault {
  override readonly name = 'UnfenceableSchemaError'
  override readonly code = 'unfenceable_schema'
  override readonly kind = 'failed_precondition'
  readonly problems: readonly ShapeProblem[]

  constructor(problems: readonly ShapeProblem[]) {
    const list = problems.map(({ table, why }) => `"${table}": ${why}`)
    super(`Cannot fence the schema:\n${list.join('\n')}`)
    this.problems = problems
  }
}

/** Against an oversight, not against an attacker: two independent 32-bit hashes. */
function hashOf(triggers: readonly Trigger[]): string {
  const text = triggers
    .map(({ sql }) => sql)
    .toSorted()
    .join(';\n')
  return [0, 1].map((seed) => xxh32(text, seed).toString(16).padStart(8, '0')).join('')
}

/**
 * The fence of the tables that {@link catalogueQuery} found.
 *
 * @throws UnfenceableSchemaError when rows of a table could not move by their key.
 */
export function fenceSetOf(tables: readonly TableInfo[]): FenceSet {
  const problems = checkShapes(tables)
  if (problems.length > 0) throw new UnfenceableSchemaError(problems)
  const triggers = tables.flatMap((table) => {
    const shape = shapeOf(table)
    return shape === undefined ? [] : fenceOf(shape, table)
  })
  return { triggers, hash: hashOf(triggers) }
}

/** Drops triggers by their names. */
export function dropTriggers(names: readonly string[]): readonly string[] {
  return names.map((name) => `DROP TRIGGER IF EXISTS "${name.replaceAll('"', '""')}"`)
}

/**
 * How many objects a schema has, and the number of the newest: another whenever one was made or dropped, as when a table
 * is rebuilt and its triggers are gone. Reading the schema's own version instead costs ten times as much.
 */
export const schemaMark =
  "(SELECT count(*) FROM sqlite_schema) || '.' || (SELECT max(rowid) FROM sqlite_schema)"

/**
 * Puts up the fence, and says last in `_shard_meta` which one it is and of which schema: the guard lets no write pass
 * once the schema has other objects. Run all in one transaction, with what changes the schema before it.
 */
export function installFence(shard: string, { triggers, hash }: FenceSet): readonly string[] {
  const name = shard.replaceAll("'", "''")
  return [
    ...triggers.map(({ sql }) => sql),
    `INSERT INTO _shard_meta (id, shard, fence_hash, schema_mark) VALUES (1, '${name}', '${hash}', ${schemaMark})
ON CONFLICT (id) DO UPDATE SET fence_hash = excluded.fence_hash, schema_mark = excluded.schema_mark`,
  ]
}
