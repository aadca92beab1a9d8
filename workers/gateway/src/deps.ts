import { libsqlShard } from '@stoa/adapters/libsql'
import { upstashRedis } from '@stoa/adapters/upstash-redis'
import type { Links } from '@stoa/contracts'
import { type Call, type Fetcher, systemClock, within } from '@stoa/kernel'

import type { Config } from './env.ts'

/** How long a part may take to say that it is there. */
const probeMsMax = 2_000

export type Probe = (call: Call) => Promise<boolean>

export type Deps = {
  readonly fetcher: (service: Parameters<Links['fetcher']>[0]) => Fetcher
  readonly probes: Readonly<Record<'database' | 'redis' | 'queue', Probe>>
}

/** True when `ask` ends well in time. What went wrong is the part's own business, not the caller's. */
function probe(ask: (call: Call) => Promise<unknown>): Probe {
  return async (call) => {
    try {
      await ask(within(call, probeMsMax, systemClock))
      return true
    } catch {
      return false
    }
  }
}

export function buildDeps(config: Config, { fetcher }: Links): Deps {
  const meta = libsqlShard({ name: 'meta', url: config.META_URL, token: config.LIBSQL_TOKEN })
  const redis = upstashRedis({ name: 'cache', url: config.REDIS_URL, token: config.REDIS_TOKEN })
  return {
    fetcher,
    probes: {
      database: probe((call) => meta.batch([{ sql: 'SELECT 1', args: [] }], 'read', call)),
      redis: probe((call) => redis.run(['PING'], call, { idempotent: true })),
      queue: probe(async ({ signal }) => {
        const response = await fetch(`${config.QSTASH_URL}/v2/keys`, {
          headers: { authorization: `Bearer ${config.QSTASH_TOKEN}` },
          signal,
        })
        await response.body?.cancel()
        if (!response.ok) throw new Error(`the queue answered ${response.status}`)
      }),
    },
  }
}
