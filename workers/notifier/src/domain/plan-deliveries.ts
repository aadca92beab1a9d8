import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Effect, newEvent, type StoaEvent } from '@stoa/messaging'

import type { NewDelivery } from './delivery.ts'
import type { Endpoint } from './endpoint.ts'
import { noticeOf } from './notice.ts'
import { type OrderEvent, payloadOf } from './payload.ts'
import type { EndpointStore, EventStore, NoticeStore } from './ports.ts'

export type PlanDeps = {
  readonly endpoints: EndpointStore
  readonly events: EventStore
  readonly notices: NoticeStore
  readonly ids: Ids
  readonly clock: Clock
}

/** The event that asks for the first attempt at a delivery. */
export function firstDue(
  { id, createdAt }: Pick<NewDelivery, 'id' | 'createdAt'>,
  cause: string,
  ids: Ids,
): StoaEvent<'delivery.due'> {
  const source = { key: id, seq: 1, at: createdAt, cause }
  return newEvent(ids, 'delivery.due', { ...source, data: { delivery: id } })
}

function effectFor(
  { events, ids, clock }: PlanDeps,
  { event, seller }: { readonly event: OrderEvent; readonly seller: string },
  endpoints: readonly Endpoint[],
): Effect {
  const createdAt = clock.now()
  const payload = payloadOf(event, seller)
  const { type, id: eventId, at } = event
  const deliveries = endpoints.map((endpoint) => ({
    id: ids.child(seller),
    endpoint: endpoint.id,
    type,
    eventId,
    payload,
    createdAt,
  }))
  const due = deliveries.map((each) => firstDue(each, eventId, ids))
  const merchant = { member: seller, type, eventId, payload, at }
  return events.effectOf(event, { merchant, deliveries, due })
}

/**
 * What order events ask for: for each seller an event that may be asked for, and for each of the seller's endpoints that
 * wants the type a delivery; for the buyer a notification.
 *
 * The rows have fresh ids; that they are made once is for the inbox row that commits with them. One round trip for
 * each shard touched.
 */
export async function planDeliveries(
  deps: PlanDeps,
  events: readonly OrderEvent[],
  call: Call,
): Promise<readonly Effect[]> {
  const pairs = events.flatMap((event) =>
    [...new Set(event.data.sellers)].map((seller) => ({ event, seller })),
  )
  const sellers = [...new Set(pairs.map(({ seller }) => seller))]
  const endpoints = await deps.endpoints.activeOf(sellers, call)
  const told = pairs.map((pair) => {
    const wanted = (endpoints.get(pair.seller) ?? []).filter(({ types }) =>
      types.includes(pair.event.type),
    )
    return effectFor(deps, pair, wanted)
  })
  const notices = events.map((event) => deps.notices.effectOf(event, noticeOf(event, deps)))
  return [...told, ...notices]
}
