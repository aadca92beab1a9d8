import type { Call } from '@stoa/kernel'
import type { Answered, Effect, Once, StoaEvent } from '@stoa/messaging'

import type { Delivery, DueDelivery, NewDelivery, Outcome } from './delivery.ts'
import type { Endpoint } from './endpoint.ts'

/** A stretch of a list, newest first: what is older than `before`, at most `limit` of them. */
export type Stretch = { readonly before: string | undefined; readonly limit: number }

export type EndpointStore = {
  /** Writes the endpoint, once for a key. @throws KeyReusedError, EndpointsFullError */
  add(
    entry: { readonly once: Once; readonly endpoint: Endpoint },
    call: Call,
  ): Promise<Answered<Endpoint>>
  /** The endpoints of each member that want to be called. One round trip for each shard. */
  activeOf(
    members: readonly string[],
    call: Call,
  ): Promise<ReadonlyMap<string, readonly Endpoint[]>>
}

export type DeliveryStore = {
  /** What `event` does in the slot of `member`: the deliveries and the events that ask for them. */
  effectOf(
    event: StoaEvent,
    made: {
      readonly member: string
      readonly deliveries: readonly NewDelivery[]
      readonly due: readonly StoaEvent<'delivery.due'>[]
    },
  ): Effect
  /** Those that are there, in no order. One round trip for each shard. */
  due(ids: readonly string[], call: Call): Promise<readonly DueDelivery[]>
  /** Writes down an attempt, unless the delivery was made in the meantime. Safe to repeat but for the count. */
  record(
    delivery: DueDelivery,
    outcome: Outcome & { readonly at: number },
    call: Call,
  ): Promise<void>
  /** The owner of the endpoint with its newest deliveries. One round trip. */
  list(
    endpoint: string,
    stretch: Stretch,
    call: Call,
  ): Promise<{ readonly member: string; readonly deliveries: readonly Delivery[] } | undefined>
}

export type Webhook = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Posts a webhook; answers the status, or nothing when no answer came in time. @throws the reason of `call.signal` */
export type PostWebhook = (webhook: Webhook, call: Call) => Promise<number | undefined>
