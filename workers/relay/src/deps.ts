import { allShards } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import { libsqlShard } from '@stoa/adapters/shard'
import { report } from '@stoa/http'
import { type Call, secureRandom, sleep, type SqlShard, systemClock } from '@stoa/kernel'
import { sweepOutbox } from '@stoa/messaging'
import { createMover } from '@stoa/resharding'

import type { SettleDeps } from './domain/settle.ts'
import type { SweepDeps } from './domain/sweep.ts'
import type { Config } from './env.ts'
import { abandonedMoves } from './store/moves.ts'

export type Deps = SweepDeps &
  SettleDeps & {
    readonly shards: (call: Call) => Promise<readonly SqlShard[]>
  }

export function buildDeps(config: Config): Deps {
  const database = { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN }
  const meta = libsqlShard({ name: 'meta', url: config.META_URL, token: config.LIBSQL_TOKEN })
  const mover = createMover({
    meta,
    open: ({ name, url }) => libsqlShard({ name, url, token: config.LIBSQL_TOKEN }),
    clock: systemClock,
    random: secureRandom,
    sleep: (ms, call) => sleep(ms, systemClock, call.signal),
  })
  const queue = qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN })
  return {
    shards: (call) => allShards(database, call),
    sweep: (shard, call) => {
      const worker = crypto.randomUUID()
      const relay = { queue, publicUrl: config.PUBLIC_URL, clock: systemClock, worker }
      return sweepOutbox(shard, relay, call)
    },
    abandoned: (before, call) => abandonedMoves(meta, before, call),
    advance: (id, call) => mover.advance(id, call),
    clock: systemClock,
    report,
  }
}
