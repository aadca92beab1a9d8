import {
  type Call,
  manualClock,
  seededRandom,
  type SqlShard,
  slotOfText,
  slotText,
  type Statement,
} from '@stoa/kernel'

import {
  cacheTopology,
  catalogueQuery,
  createRouter,
  fenceSetOf,
  readCatalogue,
  type ReplicaLimits,
  type Router,
  type Topology,
} from '../../src/index.ts'
import { call, type Database, type Fleet, openFleet, openDatabase } from '../databases.ts'

/** How a database is on the way to it. */
export type Weather = {
  delayMs: number
  isDown: boolean
  /** Changes what is sent, or what comes back. */
  rewrite: (statements: readonly Statement[]) => readonly Statement[]
}

export type Town = {
  readonly fleet: Fleet
  readonly clock: ReturnType<typeof manualClock>
  /** Copies of `a`. */
  readonly replicas: readonly Database[]
  /** By the name of the database. */
  readonly weather: Readonly<Record<string, Weather>>
  /** Batches by the name of the database. */
  readonly asked: Record<string, number>
  topology: Topology
  /** A router of another isolate, with a topology of its own. */
  isolate(this: void): Router
  /** Brings a replica level with `a`, as of now or of `at`. */
  feed(this: void, replica: number, at?: number): Promise<void>
  close(this: void): void
}

/** A text whose slot is in `a`. */
export const text = 'anna'
export const slot = slotOfText(text)

export const readVersion: Statement = {
  sql: 'SELECT version FROM lookup WHERE slot = ? AND kind = ? AND text = ?',
  args: [slotText(slot), 'handle', text],
}

const owner = `${slotText(slot)}00${'0'.repeat(15)}`

export const writeVersion = (version: number): Statement => ({
  sql: `INSERT INTO lookup (slot, kind, text, owner_id, claimed_at, version) VALUES (?, 'handle', ?, ?, 1, ?)
ON CONFLICT DO UPDATE SET version = excluded.version`,
  args: [slotText(slot), text, owner, version],
})

async function fence(database: Database): Promise<void> {
  const tables = readCatalogue(await database.run(catalogueQuery.sql))
  for (const { sql } of fenceSetOf(tables).triggers) await database.run(sql)
}

/** All that `a` has and owns, in one batch, as a feed would bring it bit by bit. */
async function copy(a: Database, replica: Database, at: number): Promise<void> {
  const rows = await a.run('SELECT slot, kind, text, owner_id, claimed_at, version FROM lookup')
  const pieces = await a.run('SELECT lo, hi, epoch, state, peer FROM _slot_owner')
  const [[applied = 0] = []] = await a.run('SELECT coalesce(max(seq), 0) FROM _cdc')
  const [[incarnation = ''] = []] = await a.run('SELECT incarnation FROM _shard_meta')
  const values = (count: number) =>
    Array.from({ length: count }, (_, index) => `value ->> ${index}`).join()
  const one = (sql: string, ...args: Statement['args']): Statement => ({ sql, args })
  await replica.batch(
    [
      one("UPDATE _fence SET mover = 'feed'"),
      one('DELETE FROM lookup'),
      one(
        `INSERT INTO lookup (slot, kind, text, owner_id, claimed_at, version) SELECT ${values(6)} FROM json_each(?)`,
        JSON.stringify(rows),
      ),
      one('DELETE FROM _slot_owner'),
      one(
        `INSERT INTO _slot_owner (lo, hi, epoch, state, peer) SELECT ${values(3)},
iif(value ->> 3 = 'serving', 'frozen', value ->> 3), value ->> 4 FROM json_each(?)`,
        JSON.stringify(pieces),
      ),
      one('DELETE FROM _replica'),
      one(
        'INSERT INTO _replica VALUES (1, ?, ?, 1, ?, ?, ?)',
        'a',
        incarnation,
        applied,
        applied,
        at,
      ),
      one('UPDATE _fence SET mover = NULL'),
    ],
    'write',
    call,
  )
}

/** Two shards, the first with two replicas, and routers that know of them. */
export async function openTown(limits: Partial<ReplicaLimits> = {}): Promise<Town> {
  const fleet = await openFleet()
  const clock = manualClock(1_790_000_000_000)
  const replicas = [await openDatabase('r0'), await openDatabase('r1')]
  for (const database of [fleet.a, fleet.b]) await fence(database)
  await fleet.a.run('UPDATE _fence SET capture = 1')
  const all = new Map([fleet.a, fleet.b, ...replicas].map((one) => [one.name, one]))
  const weather: Record<string, Weather> = {}
  const asked: Record<string, number> = {}
  const outside = (name: string): SqlShard => {
    const database = all.get(name)
    if (database === undefined) throw new Error(`there is no "${name}"`)
    const sky: Weather = (weather[name] ??= {
      delayMs: 0,
      isDown: false,
      rewrite: (statements) => statements,
    })
    return {
      name,
      batch: async (statements, mode, at) => {
        asked[name] = (asked[name] ?? 0) + 1
        if (sky.isDown) database.spoil('refused')
        clock.advance(sky.delayMs)
        at.signal.throwIfAborted()
        return database.batch(sky.rewrite(statements), mode, at)
      },
    }
  }
  for (const name of all.keys()) outside(name)
  const things = fleet.topology.keyspaces['things']
  if (things === undefined) throw new Error('the fleet has no keyspace')
  const shards = things.shards.map((shard) =>
    shard.name === 'a'
      ? { ...shard, replicas: replicas.map(({ name }) => ({ name, url: `memory:${name}` })) }
      : shard,
  )
  const town: Town = {
    fleet,
    clock,
    replicas,
    weather,
    asked,
    topology: { version: 1, keyspaces: { things: { ...things, shards } } },
    isolate: () => {
      const cached = cacheTopology(async (_call: Call) => town.topology)
      return createRouter({
        slots: cached.slots('things'),
        open: ({ name }) => outside(name),
        sleep: async (ms) => clock.advance(ms),
        replicas: { clock, random: seededRandom(5), limits },
      })
    },
    feed: async (index, at = clock.now()) => {
      const replica = replicas[index]
      if (replica !== undefined) await copy(fleet.a, replica, at)
    },
    close: () => {
      fleet.close()
      for (const replica of replicas) replica.close()
    },
  }
  return town
}
