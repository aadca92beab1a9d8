import { allShards } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import { report } from '@stoa/http'
import { type Call, type SqlShard, systemClock } from '@stoa/kernel'
import { sweepOutbox } from '@stoa/messaging'

import type { SweepDeps } from './domain/sweep.ts'
import type { Config } from './env.ts'

export type Deps = SweepDeps & {
  readonly shards: (call: Call) => Promise<readonly SqlShard[]>
}

export function buildDeps(config: Config): Deps {
  const database = { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN }
  const queue = qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN })
  return {
    shards: (call) => allShards(database, call),
    sweep: (shard, call) => {
      const worker = crypto.randomUUID()
      const relay = { queue, publicUrl: config.PUBLIC_URL, clock: systemClock, worker }
      return sweepOutbox(shard, relay, call)
    },
    clock: systemClock,
    report,
  }
}
