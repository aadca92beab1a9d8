import type { Call, Clock, Ids } from '@stoa/kernel'

import { alarmOf } from './alarm.ts'
import type { Alarm, DeliveryState, NewDelivery } from './delivery.ts'
import { firstDue } from './plan-deliveries.ts'
import type { DeliveryStore } from './ports.ts'
import { overdueMs } from './sweep.ts'

/** An event of a member, and one of the endpoints that are owed it. */
export type Debt = { readonly member: string; readonly event: string; readonly endpoint: string }

/** What is owed, and the delivery that there is of it, if any. */
export type Owed = {
  readonly type: string
  readonly payload: string
  readonly delivery:
    | {
        readonly id: string
        readonly state: DeliveryState
        readonly asked: number
        readonly nextAt: number
        /** It was begun anew before. */
        readonly wasAnew: boolean
      }
    | undefined
}

/** What pays a debt: a delivery that was never planned, one that begins anew, or an attempt that nobody makes. */
export type Rearm = { readonly alarm: Alarm } & (
  | { readonly kind: 'plan'; readonly delivery: NewDelivery }
  | { readonly kind: 'anew' | 'ask' }
)

type Deps = { readonly deliveries: DeliveryStore; readonly ids: Ids; readonly clock: Clock }

function rearmOf(
  deps: Deps,
  { debt, owed }: { readonly debt: Debt; readonly owed: Owed },
  again: boolean,
): Rearm | undefined {
  const { ids, clock } = deps
  const now = clock.now()
  const { delivery: known, type, payload } = owed
  if (known === undefined) {
    const { endpoint, event: eventId } = debt
    const delivery = { id: ids.child(endpoint), endpoint, type, eventId, payload, createdAt: now }
    const alarm = { event: firstDue(delivery, eventId, ids), at: now }
    return { kind: 'plan', delivery, alarm }
  }
  const alarm = alarmOf(known, now, { ids, clock })
  switch (known.state) {
    case 'delivered':
      return undefined
    case 'failed':
      return known.wasAnew && !again ? undefined : { kind: 'anew', alarm }
    case 'pending':
      return known.nextAt > now - overdueMs ? undefined : { kind: 'ask', alarm }
  }
}

/**
 * Sends an endpoint an event that it was owed and did not get: a delivery that was given up begins anew, once, or once
 * more where two persons have looked. What is on its way, was made or is owed no more is left alone, and so is what somebody
 * else asks for meanwhile. Two round trips. Safe to repeat.
 */
export async function rearm(
  deps: Deps,
  { again, ...debt }: Debt & { readonly again: boolean },
  call: Call,
): Promise<boolean> {
  const owed = await deps.deliveries.owed(debt, call)
  const work = owed === undefined ? undefined : rearmOf(deps, { debt, owed }, again)
  return work === undefined ? false : deps.deliveries.rearm(work, call)
}
