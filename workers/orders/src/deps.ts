import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { clientOf, type Links } from '@stoa/contracts'
import { catalog } from '@stoa/contracts/catalog'
import { payments } from '@stoa/contracts/payments'
import { warehouse } from '@stoa/contracts/warehouse'
import { report } from '@stoa/http'

import { placementMsDefault } from './domain/placement.ts'
import type {
  Cancellations,
  CartStore,
  Offers,
  OrderStore,
  Placements,
  Quotes,
  Secrets,
} from './domain/ports.ts'
import type { Config } from './env.ts'
import { cancellationStore } from './store/cancellations.ts'
import { cartStore } from './store/carts.ts'
import { catalogOffers } from './store/offers.ts'
import { orderStore } from './store/orders.ts'
import { participantExecutor } from './store/participants.ts'
import { placementStore } from './store/placements.ts'
import { hmacQuotes } from './store/quotes.ts'
import { sha256Secrets } from './store/secrets.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly carts: CartStore
  readonly orders: OrderStore
  readonly placements: Placements
  readonly cancellations: Cancellations
  readonly offers: Offers
  readonly quotes: Quotes
  readonly secrets: Secrets
  readonly deadlineMs: number
}

export type OrdersOptions = {
  /** How long an order waits for what is not known, in milliseconds; 15 minutes by default. */
  readonly deadlineMs?: number
}

export function buildDeps(
  config: Config,
  { fetcher, defer }: Links,
  { deadlineMs = placementMsDefault }: OrdersOptions,
): Deps {
  const access = openServiceKeyspace('orders', config, { defer, report })
  const orders = orderStore(access)
  const executor = participantExecutor({
    warehouse: clientOf(warehouse, fetcher('warehouse')),
    payments: clientOf(payments, fetcher('payments')),
  })
  const sagas = { access, orders, executor, defer, report }
  return {
    ids: access.ids,
    clock: access.clock,
    carts: cartStore(access),
    orders,
    placements: placementStore(sagas),
    cancellations: cancellationStore(sagas),
    offers: catalogOffers(clientOf(catalog, fetcher('catalog'))),
    quotes: hmacQuotes(config.STOA_SECRET),
    secrets: sha256Secrets,
    deadlineMs,
  }
}
