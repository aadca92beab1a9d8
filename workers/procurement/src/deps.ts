import { type KeyspaceAccess, openKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'

import type { PurchaseOrderStore, SupplierStore } from './domain/ports.ts'
import type { Config } from './env.ts'
import { report } from './report.ts'
import { purchaseOrderStore } from './store/purchase-orders.ts'
import { supplierStore } from './store/suppliers.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly suppliers: SupplierStore
  readonly purchaseOrders: PurchaseOrderStore
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openKeyspace({
    keyspace: 'procurement',
    database: { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN },
    queue: qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN }),
    publicUrl: config.PUBLIC_URL,
    defer,
    report,
  })
  return {
    ids: access.ids,
    clock: access.clock,
    suppliers: supplierStore(access),
    purchaseOrders: purchaseOrderStore(access),
  }
}
