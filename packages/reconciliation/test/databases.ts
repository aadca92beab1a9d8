import { readFile } from 'node:fs/promises'

import {
  AmbiguousWriteError,
  type BatchMode,
  rootCall,
  ShardUnavailableError,
  slotRange,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'
import { openEngine, shardOn } from '@stoa/test-engine'

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

async function openDatabase(name: string, ddl: string): Promise<Database> {
  const schema = [shared, ddl, digestDdl].join(';\n')
  const engine = await openEngine({ name: 'libsql', schema })
  const shard = shardOn(engine, name)
  const database: Database = {
    name,
    sent: 0,
    fate: () => 'kept',
    batch: async (statements, mode, given) => {
      given.signal.throwIfAborted()
      database.sent += 1
      const fate = database.fate(statements, mode)
      if (fate === 'kept') return shard.batch(statements, mode, given)
      if (fate === 'reply') await shard.batch(statements, mode, given).catch(() => undefined)
      throw mode === 'write'
        ? new AmbiguousWriteError(name)
        : new ShardUnavailableError(name, 'network')
    },
    run: async (sql, ...args) => {
      const [rows] = await engine.transact([{ sql, args }], 'write')
      return rows?.rows ?? []
    },
    close: () => engine.close(),
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
