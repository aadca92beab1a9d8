import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { libsqlShard } from '@stoa/adapters/libsql'
import { upstashRedis } from '@stoa/adapters/upstash-redis'
import { type RedisPort, slotRange } from '@stoa/kernel'
import { devTokens, startLocal } from '@stoa/local'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'

import { countingMigration, type Kind } from '../src/index.ts'

/** The local servers, with one database that serves every slot. */
export type Place = {
  readonly router: Router
  readonly redis: (name: string) => Promise<RedisPort>
  readonly sum: () => Promise<number>
  readonly close: () => Promise<void>
}

export async function openPlace(
  kinds: readonly Kind[],
  engine: 'auto' | 'in-process',
): Promise<Place> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-counting-'))
  const local = await startLocal({ dataDir, redisEngine: engine })
  const base = `http://127.0.0.1:${local.ports.libsql}`
  const redisBase = `http://127.0.0.1:${local.ports.redis}`
  const create = async (server: string, name: string): Promise<string> => {
    const answer = await fetch(`${server}/_local/databases`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    })
    return ((await answer.json()) as { url: string }).url
  }
  const url = await create(base, 'stats-0')
  const client = createClient({ url, authToken: devTokens.libsql })
  const shared = await readFile(
    new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
    'utf8',
  )
  const slots = Array.from({ length: 16_384 }, (_, slot) => Object.values(slotRange(slot)))
  await client.batch(
    [
      ...`${shared}--> statement-breakpoint${countingMigration(kinds)}`.split(
        '--> statement-breakpoint',
      ),
      "INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, 'stats-0', 'one')",
      {
        sql: "INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT value ->> 0, value ->> 1, 1, 'serving' FROM json_each(?)",
        args: [JSON.stringify(slots)],
      },
    ],
    'write',
  )
  const shards = [{ name: 'stats-0', url, incarnation: 'one' }]
  const topology = { version: 1, keyspaces: { stats: { shards, slots: evenSlots(['stats-0']) } } }
  return {
    router: createRouter({
      slots: cacheTopology(async () => topology).slots('stats'),
      open: (shard) => libsqlShard({ name: shard.name, url: shard.url, token: devTokens.libsql }),
      sleep: async () => undefined,
    }),
    redis: async (name) =>
      upstashRedis({ name, url: await create(redisBase, name), token: devTokens.redis }),
    sum: async () => {
      const { rows } = await client.execute(
        'SELECT coalesce(sum(views + likes), 0) AS n FROM count_post',
      )
      return Number(rows[0]?.['n'])
    },
    close: async () => {
      client.close()
      await local.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
