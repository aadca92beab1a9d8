import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Effect, newEvent } from '@stoa/messaging'

import type { Endpoint } from './endpoint.ts'
import { type OrderEvent, payloadOf } from './payload.ts'
import type { DeliveryStore, EndpointStore } from './ports.ts'

type Deps = {
  readonly endpoints: EndpointStore
  readonly deliveries: DeliveryStore
  readonly ids: Ids
  readonly clock: Clock
}

function effectFor(
  { deliveries, ids, clock }: Deps,
  { event, seller }: { readonly event: OrderEvent; readonly seller: string },
  endpoints: readonly Endpoint[],
): Effect {
  const at = clock.now()
  const payload = payloadOf(event, seller)
  const made = endpoints.map((endpoint) => ({
    id: ids.child(seller),
    endpoint: endpoint.id,
    type: event.type,
    eventId: event.id,
    payload,
    createdAt: at,
  }))
  const due = made.map(({ id }) =>
    newEvent(ids, 'delivery.due', { key: id, seq: 1, at, cause: event.id, data: { delivery: id } }),
  )
  return deliveries.effectOf(event, { member: seller, deliveries: made, due })
}

/**
 * What order events ask for: for each seller and each of the seller's endpoints that wants the type, a delivery.
 *
 * The rows have fresh ids; that they are made once is for the inbox row that commits with them. A seller without an
 * endpoint costs nothing but the look. One round trip for each shard touched.
 */
export async function planDeliveries(
  deps: Deps,
  events: readonly OrderEvent[],
  call: Call,
): Promise<readonly Effect[]> {
  const pairs = events.flatMap((event) =>
    [...new Set(event.data.sellers)].map((seller) => ({ event, seller })),
  )
  const sellers = [...new Set(pairs.map(({ seller }) => seller))]
  const endpoints = await deps.endpoints.activeOf(sellers, call)
  return pairs.flatMap((pair) => {
    const wanted = (endpoints.get(pair.seller) ?? []).filter(({ types }) =>
      types.includes(pair.event.type),
    )
    return wanted.length === 0 ? [] : [effectFor(deps, pair, wanted)]
  })
}
