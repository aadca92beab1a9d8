import { readFile } from 'node:fs/promises'

import {
  AmbiguousWriteError,
  type BatchMode,
  manualClock,
  rootCall,
  ShardUnavailableError,
  slotRange,
  slotText,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'
import { type EngineOptions, openEngine, shardOn } from '@stoa/test-engine'

import { ledgerDdl } from '../src/index.ts'

const shared = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)

export const call = rootCall('test')

/**
 * What becomes of a batch: the reply is lost after the effect, the request before it, it is refused, the database dies
 * at a statement, or the request comes after its sender has given up.
 */
export type Fate = 'kept' | 'reply' | 'request' | 'refused' | 'late' | { readonly diesAt: number }

/** Changes the text of statements, as a mutant would be written; the bindings stay. */
export type Rewrite = (sql: string) => string

/** A database of the real engine, in memory. */
export type Database = SqlShard & {
  /** How many batches came, the lost ones too. */
  sent: number
  /** The fate of the next batch. */
  fate: (statements: readonly Statement[], mode: BatchMode) => Fate
  /** Runs before each batch: what happens elsewhere in the meantime. */
  before: () => Promise<void>
  /** Requests that are still on their way. */
  readonly late: (() => Promise<void>)[]
  run(this: void, sql: string, ...args: SqlValue[]): Promise<readonly (readonly SqlValue[])[]>
  close(this: void): void
}

export type EngineName = EngineOptions['name']

const death: Statement = { sql: "SELECT json_extract('{}', 'the database dies here')", args: [] }

async function openDatabase(
  name: string,
  { rewrite, engineName }: { readonly rewrite: Rewrite; readonly engineName: EngineName },
): Promise<Database> {
  const ddl = [shared, ledgerDdl].flatMap((each) => each.split('--> statement-breakpoint'))
  const engine = await openEngine({ name: engineName, schema: ddl.map(rewrite).join(';\n') })
  const shard = shardOn(engine, name)
  const send = (statements: readonly Statement[], mode: BatchMode) => {
    const rewritten = statements.map(({ sql, args }) => ({ sql: rewrite(sql), args }))
    return shard.batch(rewritten, mode, call)
  }
  const database: Database = {
    name,
    sent: 0,
    late: [],
    fate: () => 'kept',
    before: async () => undefined,
    batch: async (statements, mode, given) => {
      await database.before()
      given.signal.throwIfAborted()
      database.sent += 1
      const fate = database.fate(statements, mode)
      const lost =
        mode === 'write'
          ? new AmbiguousWriteError(name)
          : new ShardUnavailableError(name, 'network')
      if (fate === 'refused') throw new ShardUnavailableError(name, 'network')
      if (fate === 'kept') return send(statements, mode)
      if (fate === 'reply') await send(statements, mode).catch(() => undefined)
      if (fate === 'late' && mode === 'write')
        database.late.push(async () => void (await send(statements, mode).catch(() => undefined)))
      if (typeof fate === 'object')
        await send([...statements.slice(0, fate.diesAt), death], mode).catch(() => undefined)
      throw lost
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

/** Databases that share all slots evenly, with the tables of a ledger, and a router over them. */
export async function openFleet(
  names: readonly string[] = ['a'],
  rewrite: Rewrite = (sql) => sql,
  engineName: EngineName = 'libsql',
): Promise<Fleet> {
  const databases = await Promise.all(
    names.map((name) => openDatabase(name, { rewrite, engineName })),
  )
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
  const topology = { version: 1, keyspaces: { money: { shards, slots: ranges } } }
  const router = createRouter({
    slots: cacheTopology(async () => topology).slots('money'),
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

export const clock = manualClock(1_790_000_000_000)

let count = 0

/** A fresh id in a slot. */
export function idIn(slot: number): string {
  count += 1
  return `${slotText(slot)}00${count.toString().padStart(15, '0')}`
}
