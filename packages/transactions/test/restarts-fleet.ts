import { readFile } from 'node:fs/promises'

import {
  AmbiguousWriteError,
  rootCall,
  ShardUnavailableError,
  slotRange,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'

import { ledgerDdl } from '../src/index.ts'
import type { Rewrite } from './databases.ts'
import { type Servers, wait } from './restarts-servers.ts'

export const call = rootCall('restarts')

/** Databases on real servers, with the tables of a ledger, and a router over them. */
export type RealFleet = {
  readonly databases: readonly SqlShard[]
  readonly router: Router
  /** Batches whose reply never came, and requests that found nobody. */
  readonly replies: { ambiguous: number; unavailable: number }
}

const shared = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)

const plain = (sql: string): Statement => ({ sql, args: [] })

export async function rowsIn(
  shard: SqlShard,
  sql: string,
): Promise<readonly (readonly SqlValue[])[]> {
  const [rows] = await shard.batch([plain(sql)], 'read', call)
  return rows?.rows ?? []
}

async function provision(shard: SqlShard, slots: readonly number[]): Promise<void> {
  const ddl = [shared, ledgerDdl].flatMap((each) => each.split('--> statement-breakpoint'))
  const owned = slots.map((slot) => slotRange(slot))
  await shard.batch(
    [
      ...ddl.map(plain),
      {
        sql: 'INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?)',
        args: [shard.name, `inc-${shard.name}`],
      },
      {
        sql: `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`,
        args: [JSON.stringify(owned)],
      },
    ],
    'write',
    call,
  )
}

/** Sends what `rewrite` makes of the statements, and counts what is not answered. */
function watched(shard: SqlShard, rewrite: Rewrite, replies: RealFleet['replies']): SqlShard {
  return {
    name: shard.name,
    batch: async (statements, mode, given) => {
      const rewritten = statements.map(({ sql, args }) => ({ sql: rewrite(sql), args }))
      try {
        return await shard.batch(rewritten, mode, given)
      } catch (error) {
        if (error instanceof AmbiguousWriteError) replies.ambiguous += 1
        if (error instanceof ShardUnavailableError) replies.unavailable += 1
        throw error
      }
    },
  }
}

/** Three databases that share all slots evenly: one of the first server, two of the other. */
export async function openRealFleet(
  { all: [first, other] }: Servers,
  prefix: string,
  rewrite: Rewrite,
): Promise<RealFleet> {
  const replies = { ambiguous: 0, unavailable: 0 }
  const names = ['a', 'b', 'c'].map((name) => prefix + name)
  const ranges = evenSlots(names)
  const places = await Promise.all(
    names.map((name, index) => (index === 0 ? first : other).create(name)),
  )
  for (const { from, to, shard } of ranges) {
    const slots = Array.from({ length: to - from + 1 }, (_, index) => from + index)
    const place = places[names.indexOf(shard)]
    if (place !== undefined) await provision(place.shard, slots)
  }
  const databases = places.map(({ shard }) => watched(shard, rewrite, replies))
  const shards = places.map(({ url, shard: { name } }) => ({
    name,
    url,
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
    sleep: (ms) => wait(ms),
  })
  return { databases, router, replies }
}
