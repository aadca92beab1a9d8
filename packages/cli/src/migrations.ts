import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Client } from '@libsql/client'

import { applyStep, inspect, putUpFence, type Inspection } from './migrate-apply.ts'
import { migrationTable, planOf, type SchemaPlan, type Step } from './migrate-plan.ts'

/** One file of SQL, applied to every database of a keyspace exactly once. */
export type Migration = { readonly name: string; readonly sql: string; readonly hash: string }

const root = fileURLToPath(new URL('../../../drizzle/', import.meta.url))

async function sqlFiles(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(path.join(folder, name), 'utf8')
      return { name, sql, hash: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/** The migrations of a keyspace, in order: the shared tables first, but for the unsharded `meta`. */
export async function migrationsOf(keyspace: string): Promise<readonly Migration[]> {
  const own = await sqlFiles(path.join(root, keyspace, 'migrations'))
  if (keyspace === 'meta') return own
  return [...(await sqlFiles(path.join(root, 'shared'))), ...own]
}

/** The keyspaces that have migrations, `meta` among them. */
export async function keyspaceNames(): Promise<readonly string[]> {
  const entries = await readdir(root, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
  const names = await Promise.all(
    folders.map(async ({ name }) =>
      (await readdir(path.join(root, name))).includes('migrations') ? name : undefined,
    ),
  )
  return names.filter((name) => name !== undefined).toSorted()
}

/** A migration that was applied has changed since. */
export class ChangedMigrationError extends Error {
  override readonly name = 'ChangedMigrationError'
  constructor(database: string, migration: string) {
    super(
      `Cannot migrate "${database}": ${migration} was applied in another form; write a new migration`,
    )
  }
}

/** The database has had a migration that this version does not have. */
export class UnknownMigrationError extends Error {
  override readonly name = 'UnknownMigrationError'
  constructor(database: string, migration: string) {
    super(
      `Cannot migrate "${database}": it has had ${migration}, which is not here; run the newer version`,
    )
  }
}

/**
 * The steps that a database lacks.
 *
 * @throws ChangedMigrationError when an applied file differs from what was applied.
 * @throws UnknownMigrationError when it is ahead: its fence would be taken for a broken one.
 */
export function missingSteps(
  database: string,
  { steps }: SchemaPlan<Migration>,
  { applied }: Pick<Inspection, 'applied'>,
): readonly Step<Migration>[] {
  const names = new Set(steps.map(({ migration }) => migration.name))
  const unknown = [...applied.keys()].find((name) => !names.has(name))
  if (unknown !== undefined) throw new UnknownMigrationError(database, unknown)
  return steps.filter(({ migration: { name, hash } }) => {
    const known = applied.get(name)
    if (known !== undefined && known !== hash) throw new ChangedMigrationError(database, name)
    return known === undefined
  })
}

/**
 * Applies what `database` lacks: each migration, the record of it and the fence of the tables that it leaves in one
 * transaction. Dying between two leaves a database that the next run completes; two runs at once apply each once. A
 * fence that was broken is put up again. Two round trips when nothing is to do, one more for each migration.
 *
 * @throws ChangedMigrationError when an applied file differs from what was applied.
 * @throws UnknownMigrationError when a newer version has migrated the database.
 * @throws ReshardingActiveError while rows of the database are being moved.
 * @throws UnfenceableSchemaError when a table could not move by its key; nothing was changed.
 */
export async function migrate(
  client: Client,
  {
    database,
    migrations,
  }: { readonly database: string; readonly migrations: readonly Migration[] },
): Promise<number> {
  const plan = await planOf(migrations)
  const found = await inspect(client)
  const missing = missingSteps(database, plan, found)
  const fence = plan.steps.at(-1)?.fence
  if (missing.length === 0) {
    const isFenced = fence === undefined || found.isFenced(fence)
    if (!isFenced) await putUpFence(client, fence, { database, ...found })
    return 0
  }
  if (!found.hasRecord) await client.execute(migrationTable)
  let count = 0
  let { fenceTriggers } = found
  for (const step of missing) {
    if (await applyStep(client, step, { database, fenceTriggers })) count += 1
    fenceTriggers = [...fenceTriggers, ...(step.fence?.triggers ?? []).map(({ name }) => name)]
  }
  return count
}
