import { readFile } from 'node:fs/promises'

import { type Client, createClient, LibsqlError } from '@libsql/client'
import {
  AmbiguousWriteError,
  type BatchMode,
  parseFence,
  readConstraint,
  rootCall,
  type Rows,
  ShardFencedError,
  ShardUnavailableError,
  slotRange,
  SqlConstraintError,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'

import { digestDdl, reconciliationDdl } from '../src/index.ts'

const shared = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)

export const call = rootCall('test')

/** What becomes of a batch: it is answered, its reply is lost after the effect, or its request before it. */
export type Fate = 'kept' | 'reply' | 'request'

/** A database of the real engine, in memory. */
export type Database = SqlShard & {
  /** How many batches came, the lost ones too. */
  sent: number
  /** The fate of the next batch. */
  fate: (statements: readonly Statement[], mode: BatchMode) => Fate
  run(this: void, sql: string, ...args: SqlValue[]): Promise<readonly (readonly SqlValue[])[]>
  close(this: void): void
}

function faultOf(error: unknown, shard: string): Error {
  if (!(error instanceof LibsqlError)) return error as Error
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
    const values = rows.map((row) => columns.map((_, i) => (row[i] ?? null) as SqlValue))
    return { columns, rows: values, rowsAffected }
  })
}

async function openDatabase(name: string, ddl: string): Promise<Database> {
  const client = createClient({ url: 'file::memory:' })
  for (const text of [shared, ddl, digestDdl])
    for (const sql of text.split('--> statement-breakpoint')) await client.execute(sql)
  const send = async (statements: readonly Statement[], mode: BatchMode) => {
    try {
      return await runBatch(client, statements, mode)
    } catch (error) {
      throw faultOf(error, name)
    }
  }
  const database: Database = {
    name,
    sent: 0,
    fate: () => 'kept',
    batch: async (statements, mode, given) => {
      given.signal.throwIfAborted()
      database.sent += 1
      const fate = database.fate(statements, mode)
      if (fate === 'kept') return send(statements, mode)
      if (fate === 'reply') await send(statements, mode).catch(() => undefined)
      throw mode === 'write'
        ? new AmbiguousWriteError(name)
        : new ShardUnavailableError(name, 'network')
    },
    run: async (sql, ...args) => {
      const [rows] = await runBatch(client, [{ sql, args }], 'write')
      return rows?.rows ?? []
    },
    close: () => client.close(),
  }
  const meta = 'INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?)'
  await database.run(meta, name, `inc-${name}`)
  return database
}

export type Fleet = {
  readonly databases: readonly Database[]
  readonly router: Router
  close(this: void): void
}

/** Databases that share all slots evenly, with the tables of a reconciler, and a router over them. */
export async function openFleet(
  names: readonly string[] = ['a'],
  ddl: string = reconciliationDdl,
): Promise<Fleet> {
  const databases = await Promise.all(names.map((name) => openDatabase(name, ddl)))
  const ranges = evenSlots(names)
  for (const { from, to, shard } of ranges) {
    const pieces = Array.from({ length: to - from + 1 }, (_, index) => slotRange(from + index))
    const sql = `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`
    await databases.find(({ name }) => name === shard)?.run(sql, JSON.stringify(pieces))
  }
  const shards = names.map((name) => ({
    name,
    url: `memory:${name}`,
    incarnation: `inc-${name}`,
  }))
  const topology = { version: 1, keyspaces: { breaks: { shards, slots: ranges } } }
  const router = createRouter({
    slots: cacheTopology(async () => topology).slots('breaks'),
    open: ({ name }) => {
      const database = databases.find((each) => each.name === name)
      if (database === undefined) throw new Error(`There is no database "${name}"`)
      return database
    },
    sleep: async () => undefined,
  })
  return { databases, router, close: () => databases.forEach((database) => database.close()) }
}

/** The first database of a fleet, where a test needs but one. */
export function firstOf(fleet: Fleet): Database {
  const [database] = fleet.databases
  if (database === undefined) throw new Error('The fleet is empty')
  return database
}
