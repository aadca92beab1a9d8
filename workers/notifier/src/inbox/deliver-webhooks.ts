import type { Call } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { attemptDeliveries } from '../domain/attempt-deliveries.ts'
import { isOrderEvent } from '../domain/payload.ts'
import { planDeliveries } from '../domain/plan-deliveries.ts'
import { replay } from '../domain/replay.ts'

/**
 * Order events become deliveries, each once; so does what a replay asks for; deliveries that are due are attempted. An
 * attempt has no inbox row: the state of its delivery says whether it is still wanted.
 */
export async function deliverWebhooks(
  deps: Deps,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const due = events.filter((event) => isOf(event, 'delivery.due'))
  const asked = events.filter((event) => isOf(event, 'endpoint.replay_asked'))
  const plan = async () => {
    const effects = await planDeliveries(deps, events.filter(isOrderEvent), call)
    await deps.inbox.apply([...effects, ...(await replay(deps, asked, call))], call)
  }
  const attempts = attemptDeliveries(
    deps,
    due.map((event) => event.data.delivery),
    call,
  )
  // One must not keep the other from being done.
  const [planned, attempted] = await Promise.allSettled([plan(), attempts])
  if (planned.status === 'rejected') throw planned.reason
  if (attempted.status === 'rejected') throw attempted.reason
}
