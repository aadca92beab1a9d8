import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'

import type { PurchaseOrderStore, SupplierStore } from './domain/ports.ts'
import type { Config } from './env.ts'
import { purchaseOrderStore } from './store/purchase-orders.ts'
import { supplierStore } from './store/suppliers.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly suppliers: SupplierStore
  readonly purchaseOrders: PurchaseOrderStore
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('procurement', config, { defer, report })
  return {
    ids: access.ids,
    clock: access.clock,
    suppliers: supplierStore(access),
    purchaseOrders: purchaseOrderStore(access),
  }
}
