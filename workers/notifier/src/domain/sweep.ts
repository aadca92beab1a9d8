import type { Call, Clock, Ids } from '@stoa/kernel'

import { alarmOf } from './alarm.ts'
import type { DeliveryStore } from './ports.ts'

/**
 * How long an attempt may be overdue before a sweep asks for it again: longer than the queue's own retries of the message
 * that asked (33 minutes), after which it has given that up.
 */
export const overdueMs = 45 * 60 * 1_000

/** Asks again for attempts that nobody makes any more; answers how many. @see overdueMs */
export async function sweepOverdue(
  {
    deliveries,
    ids,
    clock,
  }: { readonly deliveries: DeliveryStore; readonly ids: Ids; readonly clock: Clock },
  call: Call,
): Promise<number> {
  const now = clock.now()
  const overdue = await deliveries.overdue(now - overdueMs, call)
  await deliveries.askAgain(
    overdue.map((each) => alarmOf(each, now, { ids, clock })),
    call,
  )
  return overdue.length
}
