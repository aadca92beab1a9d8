import { readFile } from 'node:fs/promises'

import { type Client, createClient, LibsqlError } from '@libsql/client'
import {
  type BatchMode,
  parseFence,
  readConstraint,
  type Rows,
  ShardFencedError,
  SqlConstraintError,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { catalogueQuery, fenceSetOf, readCatalogue, shapeOf, type TableShape } from '@stoa/sharding'

async function statementsOf(path: string): Promise<readonly string[]> {
  const text = await readFile(new URL(path, import.meta.url), 'utf8')
  return text.split('--> statement-breakpoint')
}

const shared = await statementsOf('../../../drizzle/shared/0000_shared.sql')
const topology = await statementsOf('../../../drizzle/meta/migrations/0001_topology.sql')
const jobs = await statementsOf('../../../drizzle/meta/migrations/0002_reshard_job.sql')

/** Tables of a business: a small one, and a wide one with a local row number and a second unique key. */
const business = [
  `CREATE TABLE thing (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20), version INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE entry (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  thing TEXT NOT NULL CHECK (length(thing) = 20), label TEXT NOT NULL, weight REAL, body BLOB,
  CHECK (substr(id, 1, 5) = substr(thing, 1, 5)), UNIQUE (thing, label))`,
]

/** Tables whose rows bytes name: after a slot, or between an owner and a number. */
export const byBytes = [
  `CREATE TABLE mark (
  slot TEXT NOT NULL CHECK (length(slot) = 3), id BLOB NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (slot, id)) WITHOUT ROWID`,
  `CREATE TABLE seal (
  n INTEGER PRIMARY KEY, owner TEXT NOT NULL, id BLOB NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
  UNIQUE (owner, id, part))`,
]

/** A database of the real engine, in memory. */
export type Database = SqlShard & {
  /** Many statements at once. */
  script(this: void, statements: readonly string[]): Promise<void>
  run(this: void, sql: string, ...args: SqlValue[]): Promise<readonly (readonly SqlValue[])[]>
  close(this: void): void
}

function faultOf(error: unknown, shard: string): unknown {
  if (!(error instanceof LibsqlError)) return error
  const fence = parseFence(error.message)
  if (fence !== undefined) return new ShardFencedError(shard, fence, { cause: error })
  if (!error.code.startsWith('SQLITE_CONSTRAINT')) return error
  const broken = { ...readConstraint(error.message), statement: undefined }
  return new SqlConstraintError(shard, broken, { cause: error })
}

async function runBatch(client: Client, statements: readonly Statement[], mode: BatchMode) {
  const built = statements.map(({ sql, args }) => ({
    sql,
    args: args.map((value) => (Number.isSafeInteger(value) ? BigInt(Number(value)) : value)),
  }))
  const results = await client.batch(built, mode)
  return results.map(({ columns, rows, rowsAffected }): Rows => {
    const values = rows.map((row) =>
      columns.map((_, i) => {
        const value = row[i] ?? null
        return value instanceof ArrayBuffer ? new Uint8Array(value) : value
      }),
    )
    return { columns, rows: values, rowsAffected }
  })
}

function openDatabase(name: string): Database {
  const client = createClient({ url: 'file::memory:' })
  return {
    name,
    batch: async (statements, mode, call) => {
      call.signal.throwIfAborted()
      try {
        return await runBatch(client, statements, mode)
      } catch (error) {
        throw faultOf(error, name) as Error
      }
    },
    run: async (sql, ...args) => {
      const [rows] = await runBatch(client, [{ sql, args }], 'write')
      return rows?.rows ?? []
    },
    script: (statements) => client.executeMultiple(statements.join(';\n')),
    close: () => client.close(),
  }
}

/** A database of a keyspace, fenced, incarnation `inc-<name>`, with `more` tables; it owns nothing yet. */
export async function openShard(
  name: string,
  more: readonly string[] = [],
): Promise<{ readonly database: Database; readonly shapes: readonly TableShape[] }> {
  const database = openDatabase(name)
  await database.script([...shared, ...business, ...more])
  const [rows] = await database.batch([catalogueQuery], 'read', {
    requestId: 'test',
    signal: new AbortController().signal,
  })
  const tables = readCatalogue(rows?.rows ?? [])
  const { triggers, hash } = fenceSetOf(tables)
  await database.script(triggers.map(({ sql }) => sql))
  await database.run(
    'INSERT INTO _shard_meta (id, shard, incarnation, fence_hash) VALUES (1, ?, ?, ?)',
    name,
    `inc-${name}`,
    hash,
  )
  return { database, shapes: tables.flatMap((table) => shapeOf(table) ?? []) }
}

/** The database of the topology and the moves. */
export async function openMeta(): Promise<Database> {
  const database = openDatabase('meta')
  await database.script([...topology, ...jobs])
  return database
}

/** The tables without fence or owner, for a model to compare with. */
export async function openPlain(more: readonly string[] = []): Promise<Database> {
  const database = openDatabase('plain')
  await database.script([...shared, ...business, ...more])
  return database
}
