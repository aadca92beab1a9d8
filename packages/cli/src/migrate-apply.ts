import type { Client } from '@libsql/client'
import {
  dropTriggers,
  type FenceSet,
  installFence,
  isFenceTrigger,
  schemaMark,
} from '@stoa/sharding'

import type { Step } from './migrate-plan.ts'
import { normalised, type SchemaObject, schemaOf, textOf } from './migrate-schema.ts'

/** Rows of the database are on the move, and the mover knows only the schema that it began with. */
export class ReshardingActiveError extends Error {
  override readonly name = 'ReshardingActiveError'
  readonly job: string

  constructor(database: string, job: string) {
    super(
      `Cannot migrate "${database}": job "${job}" is moving rows of it; wait for the job or abort it, then run again`,
    )
    this.job = job
  }
}

/** What a database says of itself. */
export type Inspection = {
  /** The hash of each migration by its name. */
  readonly applied: ReadonlyMap<string, string>
  readonly schema: readonly SchemaObject[]
  /** Whether it has the record of migrations. */
  readonly hasRecord: boolean
  /** Triggers of a fence that are there now. */
  readonly fenceTriggers: readonly string[]
  /** Whether this very fence stands, and nothing of the schema has changed since it was put up. */
  isFenced(fence: FenceSet): boolean
}

/** Two round trips; writes nothing. */
export async function inspect(client: Client): Promise<Inspection> {
  const schema = await schemaOf(client)
  const has = (table: string) => schema.some(({ type, name }) => type === 'table' && name === table)
  const fenceable = schema.some(({ name, sql }) => {
    return name === '_shard_meta' && sql.includes('schema_mark')
  })
  const [migrations, meta] = await client.batch(
    [
      has('_migration') ? 'SELECT name, hash FROM _migration' : 'SELECT 1 WHERE false',
      fenceable
        ? `SELECT fence_hash, schema_mark IS ${schemaMark} AS settled FROM _shard_meta`
        : 'SELECT 1 WHERE false',
    ],
    'read',
  )
  const applied = migrations?.rows.map((row) => [textOf(row['name']), textOf(row['hash'])] as const)
  const own = meta?.rows[0]
  const standing = schema.filter(({ type, name }) => type === 'trigger' && isFenceTrigger(name))
  return {
    applied: new Map(applied),
    schema,
    hasRecord: has('_migration'),
    fenceTriggers: standing.map(({ name }) => name),
    isFenced: ({ hash, triggers }) => {
      const texts = new Map(standing.map(({ name, sql }) => [name, sql]))
      const isWhole = triggers.every(({ name, sql }) => texts.get(name) === normalised(sql))
      const isSettled = own?.['fence_hash'] === hash && own['settled'] === 1
      return isSettled && isWhole && texts.size === triggers.length
    },
  }
}

const resharding =
  "SELECT json_extract('{}', 'SHARD_RESHARDING|' || job || '|') FROM _slot_owner WHERE job IS NOT NULL"
const dangling = `SELECT json_extract('{}', 'FOREIGN_KEY|' || "table") FROM pragma_foreign_key_check`

/** The database, and the triggers of a fence that may be there. */
type Target = { readonly database: string; readonly fenceTriggers: readonly string[] }

/** Runs statements as one transaction, in one round trip. */
async function transact(
  client: Client,
  database: string,
  { statements, before = '' }: { readonly statements: readonly string[]; readonly before?: string },
): Promise<void> {
  try {
    await client.executeMultiple(`${before}BEGIN IMMEDIATE;\n${statements.join('\n;')}\n;COMMIT;`)
  } catch (error) {
    const job = /SHARD_RESHARDING\|([^|]*)\|/.exec(String(error))?.[1]
    throw job === undefined ? error : new ReshardingActiveError(database, job)
  }
}

/**
 * Runs one migration: first its record, so that of two runs at once the slower stops before it changes anything, and
 * last the fence of what it made. The fence is away meanwhile, so that a migration may write every row.
 *
 * @returns false when another run has applied it.
 * @throws ReshardingActiveError while rows are being moved; nothing was changed.
 */
export async function applyStep(
  client: Client,
  step: Step,
  { database, fenceTriggers }: Target,
): Promise<boolean> {
  const { migration, fence, hasOwners, hasForeignKeys } = step
  const { name, sql, hash } = migration
  const statements = [
    `INSERT INTO _migration (name, hash, at) VALUES ('${name}', '${hash}', ${Date.now()})`,
    ...(hasOwners ? [resharding] : []),
    ...dropTriggers(fenceTriggers),
    sql,
    ...(hasForeignKeys ? [dangling] : []),
    ...(fence === undefined ? [] : installFence(database, fence)),
  ]
  // A table that is rebuilt is dropped, and what refers to it would go with it.
  const before = hasForeignKeys ? 'PRAGMA foreign_keys = OFF;\n' : ''
  try {
    await transact(client, database, { statements, before })
    return true
  } catch (error) {
    const isThere = error instanceof Error && error.message.includes('failed: _migration.name')
    if (!isThere) throw error
    return false
  }
}

/** Puts the fence up anew where it was broken. @throws ReshardingActiveError while rows are being moved. */
export async function putUpFence(
  client: Client,
  fence: FenceSet,
  { database, fenceTriggers }: Target,
): Promise<void> {
  const statements = [resharding, ...dropTriggers(fenceTriggers), ...installFence(database, fence)]
  await transact(client, database, { statements })
}
