import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import type { QueueVerifier } from '@stoa/kernel'

import type { StockStore } from './domain/ports.ts'
import type { Config } from './env.ts'
import { stockStore } from './store/stock.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly stock: StockStore
  readonly verifier: QueueVerifier
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('warehouse', config, { defer, report })
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
