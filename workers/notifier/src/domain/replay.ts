import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Effect, newEvent, type StoaEvent } from '@stoa/messaging'

import { alarmOf } from './alarm.ts'
import type { DeliveryState } from './delivery.ts'
import { firstDue } from './plan-deliveries.ts'
import type { DeliveryStore, EndpointStore, EventStore } from './ports.ts'

/** An event that an endpoint should have had, and the delivery that it has of it, if any. */
export type ReplayItem = {
  readonly seq: number
  readonly type: string
  readonly eventId: string
  readonly payload: string
  readonly delivery:
    | { readonly id: string; readonly state: DeliveryState; readonly asked: number }
    | undefined
}

/** Events looked at for one chunk: each is a statement or two of the batch that sends them again. */
export const replayChunk = 50

export type ReplayDeps = {
  readonly endpoints: EndpointStore
  readonly deliveries: DeliveryStore
  readonly events: EventStore
  readonly ids: Ids
  readonly clock: Clock
}

type Asked = StoaEvent<'endpoint.replay_asked'>

function effectFor(deps: ReplayDeps, event: Asked, items: readonly ReplayItem[]): Effect {
  const { ids, clock } = deps
  const { endpoint, all } = event.data
  const now = clock.now()
  const deliveries = items
    .filter((item) => item.delivery === undefined)
    .map(({ type, eventId, payload }) => ({
      id: ids.child(endpoint),
      endpoint,
      type,
      eventId,
      payload,
      createdAt: now,
    }))
  const due = deliveries.map((each) => firstDue(each, event.id, ids))
  const again = items.flatMap(({ delivery }) => {
    if (delivery === undefined) return []
    const isWanted = delivery.state === 'failed' || (all && delivery.state === 'delivered')
    return isWanted ? [alarmOf(delivery, now, deps).event] : []
  })
  const last = items.at(-1)
  const hasMore = items.length === replayChunk && last !== undefined
  const next = hasMore
    ? [
        newEvent(ids, 'endpoint.replay_asked', {
          key: event.key,
          seq: event.seq + 1,
          at: now,
          cause: event.id,
          data: { ...event.data, after: last.seq },
        }),
      ]
    : []
  return deps.events.replayEffect(event, { deliveries, due, again, next })
}

/**
 * What replays ask for, a chunk of each: the events that their endpoint has no delivery of get one, those whose delivery
 * failed (or was made, when all are wanted) begin anew. What is still pending is left to its own schedule.
 */
export async function replay(
  deps: ReplayDeps,
  asked: readonly Asked[],
  call: Call,
): Promise<readonly Effect[]> {
  const effects: Effect[] = []
  for (const event of asked) {
    const endpoint = await deps.endpoints.find(event.data.endpoint, call)
    if (endpoint === undefined || !endpoint.isActive) continue
    const from = { endpoint, since: event.data.since, after: event.data.after }
    const items = await deps.deliveries.replayItems(from, call)
    if (items.length > 0) effects.push(effectFor(deps, event, items))
  }
  return effects
}
