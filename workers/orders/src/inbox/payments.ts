import { qstashVerifier } from '@stoa/adapters/qstash'
import { report, type Service, serveInbox } from '@stoa/http'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import type { Config } from '../env.ts'

/** The order that waited for what `event` tells; none, for a top-up or an event that is for others. */
function waitingOrder(event: StoaEvent): readonly string[] {
  const isAnswer = isOf(event, 'payment.authorised') || isOf(event, 'payment.declined')
  return isAnswer && event.data.order !== null ? [event.data.order] : []
}

/**
 * Hears that a payment which was not known is known now, and goes on with its order. That needs no row of its own:
 * who goes on twice finds it done.
 */
export function servePaymentEvents(
  service: Service,
  { placements }: Pick<Deps, 'placements'>,
  config: Config,
): void {
  serveInbox(service, {
    consumer: 'orders',
    publicUrl: config.PUBLIC_URL,
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
    apply: async (events, call) => {
      for (const order of new Set(events.flatMap(waitingOrder)))
        await placements.takeUp(order, call)
    },
    report,
  })
}
