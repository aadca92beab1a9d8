import { readdir, readFile } from 'node:fs/promises'

import { rootCall, slotRange } from '@stoa/kernel'
import {
  cacheTopology,
  createRouter,
  evenSlots,
  type Router,
  type RouterOptions,
  type Topology,
} from '@stoa/sharding'
import { openEngine, type SpoiltShard, spoiltShardOn } from '@stoa/test-engine'

const shared = new URL('../../../drizzle/shared/', import.meta.url)
const files = (await readdir(shared)).filter((name) => name.endsWith('.sql')).toSorted()
const ddl = await Promise.all(files.map((name) => readFile(new URL(name, shared), 'utf8')))

/** A database of the real engine, in memory. */
export type Database = SpoiltShard

/** Changes what is sent, as a mutant would. */
export type Rewrite = (sql: string) => string

/** A database with the shared tables, incarnation `inc-<name>`. It owns no slot yet. */
export async function openDatabase(name: string, rewrite?: Rewrite): Promise<Database> {
  const engine = await openEngine({ name: 'libsql', schema: ddl.join('\n') })
  const database = spoiltShardOn(engine, name, rewrite)
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
  /** The topology as `meta` would say it; change it as a mover would. */
  topology: Topology
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
    return fleet.topology
  }).slots('things')
  const fleet: Fleet = {
    a,
    b,
    topology: { version: 1, keyspaces: { things: { shards, slots: ranges } } },
    reads: 0,
    slept,
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
