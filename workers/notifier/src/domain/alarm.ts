import type { Clock, Ids } from '@stoa/kernel'
import { newEvent } from '@stoa/messaging'

import type { Alarm } from './delivery.ts'

type Asking = {
  readonly id: string
  /** The order number of the event that asked last. */
  readonly asked: number
}

/** The event that asks for an attempt at a delivery at `at`, by the next of its order numbers. */
export function alarmOf(
  { id, asked }: Asking,
  at: number,
  { ids, clock }: { readonly ids: Ids; readonly clock: Clock },
): Alarm {
  const event = newEvent(ids, 'delivery.due', {
    key: id,
    seq: asked + 1,
    at: clock.now(),
    cause: id,
    data: { delivery: id },
  })
  return { event, at }
}
