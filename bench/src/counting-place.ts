import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { type Client, createClient } from '@libsql/client'
import { libsqlShard } from '@stoa/adapters/libsql'
import { upstashRedis } from '@stoa/adapters/upstash-redis'
import {
  type Counting,
  countingMigration,
  type CountingOptions,
  createCounting,
  type Kind,
} from '@stoa/counting'
import {
  createIds,
  manualClock,
  type RedisPort,
  rootCall,
  secureRandom,
  seededRandom,
  slotRange,
  systemClock,
} from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'
import {
  cacheTopology,
  catalogueQuery,
  createRouter,
  evenSlots,
  fenceSetOf,
  installFence,
  readCatalogue,
  type Router,
} from '@stoa/sharding'

export const call = rootCall('bench')
export const metrics = ['views', 'likes', 'shares', 'saves'] as const
export const kind: Kind = {
  name: 'post',
  mode: 'eventual',
  metrics: metrics.map((name) => ({ name })),
}

/** Ids of objects made over the last hundred days, some of each owner: an author's posts live with the author. */
export function objectIds(count: number, perOwner = 20): readonly string[] {
  const random = seededRandom(17)
  const now = Date.UTC(2026, 10, 22)
  return Array.from({ length: count }, (_, index) => {
    const made = now - Math.floor((random.uint32() / 2 ** 32) * 8.64e9)
    // A maker's time never goes back, so each id has a maker of its own.
    const ids = createIds({ clock: manualClock(made), random })
    return ids.root(`owner ${Math.floor(index / perOwner)}`)
  })
}

/** What things of people are counted to: most below a hundred, a few in the millions. */
export function lognormal(): () => number {
  const random = seededRandom(23)
  const uniform = () => (random.uint32() + 1) / 2 ** 32
  return () =>
    Math.round(
      Math.exp(3 + 2 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())),
    )
}

export type Place = {
  readonly router: Router
  readonly client: Client
  redis(name: string): Promise<RedisPort>
  /** Commands that the Redis server has billed so far. */
  billed(): Promise<number>
  counting(parts: Pick<CountingOptions, 'logs' | 'hot'> & Partial<CountingOptions>): Counting
  close(): Promise<void>
}

async function makeTables(client: Client): Promise<void> {
  const shared = new URL('../../drizzle/shared/0000_shared.sql', import.meta.url)
  await client.executeMultiple(await readFile(shared, 'utf8'))
  await client.executeMultiple(countingMigration([kind]))
  const { rows } = await client.execute(catalogueQuery.sql)
  for (const sql of installFence('stats-0', fenceSetOf(readCatalogue(rows))))
    await client.execute(sql)
  const slots = Array.from({ length: 16_384 }, (_, slot) => Object.values(slotRange(slot)))
  await client.batch(
    [
      "UPDATE _shard_meta SET incarnation = 'one'",
      {
        sql: "INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT value ->> 0, value ->> 1, 1, 'serving' FROM json_each(?)",
        args: [JSON.stringify(slots)],
      },
    ],
    'write',
  )
}

async function createDatabase(server: string, name: string): Promise<string> {
  const answer = await fetch(`${server}/_local/databases`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  if (!answer.ok) throw new Error(`Cannot create database "${name}": ${await answer.text()}`)
  return ((await answer.json()) as { url: string }).url
}

/** The local servers as processes of their own, with one fenced shard. */
export async function openPlace(): Promise<Place> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-counting-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const servers = await supervise({ dataDir, ports, redisEngine: 'auto' })
  const [libsqlUrl, redisUrl] = [servers.ports.libsql, servers.ports.redis].map(
    (port) => `http://127.0.0.1:${port}`,
  )
  const url = await createDatabase(libsqlUrl ?? '', 'stats-0')
  const client = createClient({ url, authToken: devTokens.libsql })
  await makeTables(client)
  const shards = [{ name: 'stats-0', url, incarnation: 'one' }]
  const topology = { version: 1, keyspaces: { stats: { shards, slots: evenSlots(['stats-0']) } } }
  const router = createRouter({
    slots: cacheTopology(async () => topology).slots('stats'),
    open: (shard) => libsqlShard({ name: shard.name, url: shard.url, token: devTokens.libsql }),
    sleep: async () => undefined,
  })
  return {
    router,
    client,
    redis: async (name) =>
      upstashRedis({
        name,
        url: await createDatabase(redisUrl ?? '', name),
        token: devTokens.redis,
      }),
    billed: async () => {
      const answer = await fetch(`${redisUrl}/_local/meter`)
      const { totals } = (await answer.json()) as { totals: { commands: number } }
      return totals.commands
    },
    counting: (parts) =>
      createCounting({
        kinds: [kind],
        router,
        clock: systemClock,
        random: secureRandom,
        defer: () => undefined,
        report: (error) => {
          throw error instanceof Error ? error : new Error(String(error))
        },
        ...parts,
      }),
    close: async () => {
      client.close()
      await servers.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
