import { type KeyspaceAccess, openKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue, qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import type { QueueVerifier } from '@stoa/kernel'

import type { StockStore } from './domain/ports.ts'
import type { Config } from './env.ts'
import { report } from './report.ts'
import { stockStore } from './store/stock.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly stock: StockStore
  readonly verifier: QueueVerifier
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openKeyspace({
    keyspace: 'warehouse',
    database: { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN },
    queue: qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN }),
    publicUrl: config.PUBLIC_URL,
    defer,
    report,
  })
  return {
    ids: access.ids,
    clock: access.clock,
    stock: stockStore(access),
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
  }
}
