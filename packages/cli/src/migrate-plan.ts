import { type Client, createClient } from '@libsql/client/sqlite3'
import { catalogueQuery, type FenceSet, fenceSetOf, readCatalogue } from '@stoa/sharding'

import { type SchemaObject, schemaOf } from './migrate-schema.ts'

/** The record of what was applied; every database has it. */
export const migrationTable =
  'CREATE TABLE IF NOT EXISTS _migration (name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID'

type Script = { readonly name: string; readonly sql: string; readonly hash: string }

/** One migration, and the schema that it makes of the one before. */
export type Step<T extends Script = Script> = {
  readonly migration: T
  /** The fence after it; `undefined` where nothing is sharded. */
  readonly fence: FenceSet | undefined
  /** Whether the database knows of slots before it: then none may be on the move. */
  readonly hasOwners: boolean
  readonly hasForeignKeys: boolean
}

/** How a database is made, and how it is to be in the end. */
export type SchemaPlan<T extends Script = Script> = {
  readonly steps: readonly Step<T>[]
  readonly schema: readonly SchemaObject[]
}

type Tables = {
  readonly fence: FenceSet | undefined
  readonly hasOwners: boolean
  readonly hasForeignKeys: boolean
}

async function tablesOf(client: Client): Promise<Tables> {
  const { rows } = await client.execute(catalogueQuery.sql)
  const tables = readCatalogue(rows)
  const { rows: own } = await client.execute(
    `SELECT (SELECT count(*) FROM pragma_table_info('_shard_meta') WHERE name = 'schema_mark') AS fenced,
(SELECT count(*) FROM pragma_table_info('_slot_owner') WHERE name = 'job') AS owners`,
  )
  return {
    fence: own[0]?.['fenced'] === 1 ? fenceSetOf(tables) : undefined,
    hasOwners: own[0]?.['owners'] === 1,
    hasForeignKeys: tables.some(({ foreignKeys }) => foreignKeys.length > 0),
  }
}

/** Makes an empty database in memory what the migrations say, and looks at it after each. */
async function rehearse<T extends Script>(migrations: readonly T[]): Promise<SchemaPlan<T>> {
  const client = createClient({ url: 'file::memory:' })
  try {
    await client.execute(migrationTable)
    const steps: Step<T>[] = []
    let hasOwners = false
    for (const migration of migrations) {
      await client.executeMultiple(`BEGIN;\n${migration.sql}\n;COMMIT;`)
      const after = await tablesOf(client)
      steps.push({ migration, ...after, hasOwners })
      ;({ hasOwners } = after)
    }
    for (const { sql } of steps.at(-1)?.fence?.triggers ?? []) await client.execute(sql)
    return { steps, schema: await schemaOf(client) }
  } finally {
    client.close()
  }
}

/** Plans of the last keyspaces that were asked for: all databases of one have the same. */
const known = new Map<string, Promise<SchemaPlan>>()
const knownMax = 64

/**
 * Rehearses migrations on an empty database in memory: a script that does not run, or that makes tables that cannot
 * move by their key, fails here, before any database is touched.
 *
 * @throws UnfenceableSchemaError, and what SQLite says of a script.
 */
export function planOf<T extends Script>(migrations: readonly T[]): Promise<SchemaPlan<T>> {
  const name = migrations.map(({ hash }) => hash).join()
  const planned = known.get(name) ?? rehearse(migrations)
  known.delete(name)
  known.set(name, planned)
  const [oldest] = known.keys()
  if (known.size > knownMax && oldest !== undefined) known.delete(oldest)
  // The key is made of the very migrations that the plan holds.
  return planned as Promise<SchemaPlan<T>>
}
