import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { clientOf, type Links } from '@stoa/contracts'
import { catalog } from '@stoa/contracts/catalog'
import { report } from '@stoa/http'

import type { CartStore, Offers, OrderStore, Secrets } from './domain/ports.ts'
import type { Config } from './env.ts'
import { cartStore } from './store/carts.ts'
import { catalogOffers } from './store/offers.ts'
import { orderStore } from './store/orders.ts'
import { sha256Secrets } from './store/secrets.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly carts: CartStore
  readonly orders: OrderStore
  readonly offers: Offers
  readonly secrets: Secrets
}

export function buildDeps(config: Config, { fetcher, defer }: Links): Deps {
  const access = openServiceKeyspace('orders', config, { defer, report })
  return {
    ids: access.ids,
    clock: access.clock,
    carts: cartStore(access),
    orders: orderStore(access),
    offers: catalogOffers(clientOf(catalog, fetcher('catalog'))),
    secrets: sha256Secrets,
  }
}
