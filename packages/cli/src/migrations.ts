import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Client } from '@libsql/client'

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

/** A column that is text by its schema. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError(`Cannot read a column: it holds ${typeof value}, not text`)
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

async function appliedIn(client: Client): Promise<ReadonlyMap<string, string>> {
  const [, applied] = await client.batch(
    [
      'CREATE TABLE IF NOT EXISTS _migration (name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID',
      'SELECT name, hash FROM _migration',
    ],
    'write',
  )
  return new Map(applied?.rows.map((row) => [textOf(row['name']), textOf(row['hash'])]))
}

/** Runs one migration with its record first, so that of two runs at once the slower stops before it changes anything. */
async function applyOne(client: Client, { name, sql, hash }: Migration): Promise<boolean> {
  const record = `INSERT INTO _migration (name, hash, at) VALUES ('${name}', '${hash}', ${Date.now()})`
  try {
    await client.executeMultiple(`BEGIN IMMEDIATE;\n${record};\n${sql}\n;COMMIT;`)
    return true
  } catch (error) {
    const isThere = error instanceof Error && error.message.includes('failed: _migration.name')
    if (!isThere) throw error
    return false
  }
}

/**
 * Applies what `database` lacks, each migration and the record of it in one transaction. Dying between two leaves a
 * database that the next run completes; two runs at once apply each once. One round trip when nothing is to do, one
 * more for each migration.
 *
 * @throws ChangedMigrationError when an applied file differs from what was applied.
 */
export async function migrate(
  client: Client,
  {
    database,
    migrations,
  }: { readonly database: string; readonly migrations: readonly Migration[] },
): Promise<number> {
  const hashes = await appliedIn(client)
  let count = 0
  for (const migration of migrations) {
    const known = hashes.get(migration.name)
    if (known === migration.hash) continue
    if (known !== undefined) throw new ChangedMigrationError(database, migration.name)
    if (await applyOne(client, migration)) count += 1
  }
  return count
}
