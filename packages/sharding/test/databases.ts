import { readFile } from 'node:fs/promises'

import { rootCall, ShardUnavailableError, slotRange } from '@stoa/kernel'
import { openEngine, type SpoiltShard, spoiltShardOn } from '@stoa/test-engine'

import {
  cacheTopology,
  createRouter,
  evenSlots,
  type Router,
  type RouterOptions,
  type Slots,
  type Topology,
} from '../src/index.ts'

const ddl = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)

/** A database of the real engine, in memory. */
export type Database = SpoiltShard

/** A database with the shared tables, incarnation `inc-<name>`. It owns no slot yet. */
export async function openDatabase(name: string): Promise<Database> {
  const database = spoiltShardOn(await openEngine({ name: 'libsql', schema: ddl }), name)
  await database.run(
    'INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?)',
    name,
    `inc-${name}`,
  )
  return database
}

export type Fleet = {
  readonly a: Database
  readonly b: Database
  readonly router: Router
  readonly slots: Slots
  /** The topology as `meta` would say it; change it as a mover would. */
  topology: Topology
  /** Whether the topology cannot be read. */
  isMetaGone: boolean
  /** Reads of the topology so far. */
  reads: number
  /** Waits so far, in milliseconds; each runs `onSleep` instead of taking time. */
  readonly slept: number[]
  onSleep: () => Promise<void>
  close(this: void): void
}

export const call = rootCall('test')

/** Two databases that share all slots evenly, and a router over them. */
export async function openFleet(
  riders: NonNullable<RouterOptions['riders']> = () => [],
): Promise<Fleet> {
  const [a, b] = [await openDatabase('a'), await openDatabase('b')]
  const ranges = evenSlots(['a', 'b'])
  for (const { from, to, shard } of ranges) {
    const slots = Array.from({ length: to - from + 1 }, (_, index) => {
      const { from: lo, to: hi } = slotRange(from + index)
      return [lo, hi]
    })
    const sql = `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 0, value ->> 1, 1, 'serving' FROM json_each(?)`
    await (shard === 'a' ? a : b).run(sql, JSON.stringify(slots))
  }
  const shards = ['a', 'b'].map((name) => ({
    name,
    url: `memory:${name}`,
    incarnation: `inc-${name}`,
  }))
  const slept: number[] = []
  const slots = cacheTopology(async () => {
    fleet.reads += 1
    if (fleet.isMetaGone) throw new ShardUnavailableError('meta', 'network')
    return fleet.topology
  }).slots('things')
  const fleet: Fleet = {
    a,
    b,
    topology: { version: 1, keyspaces: { things: { shards, slots: ranges } } },
    reads: 0,
    isMetaGone: false,
    slept,
    slots,
    onSleep: async () => undefined,
    router: createRouter({
      slots,
      open: ({ name }) => (name === 'a' ? a : b),
      riders,
      sleep: async (ms) => {
        slept.push(ms)
        await fleet.onSleep()
      },
    }),
    close: () => {
      a.close()
      b.close()
    },
  }
  return fleet
}
