import { qstashVerifier } from '@stoa/adapters/qstash'
import { report, type Service, serveInbox } from '@stoa/http'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import type { MoneyKind } from '../domain/order.ts'
import type { MoneyFact } from '../domain/ports.ts'
import type { Config } from '../env.ts'

/** The order that waited for what `event` tells; none, for a top-up or an event that is for others. */
function waitingOrder(event: StoaEvent): readonly string[] {
  const isAnswer = isOf(event, 'payment.authorised') || isOf(event, 'payment.declined')
  return isAnswer && event.data.order !== null ? [event.data.order] : []
}

const moneyKinds = {
  'payment.captured': 'captured',
  'payment.voided': 'voided',
  'payment.refunded': 'refunded',
  'payment.charged_back': 'disputed',
} as const satisfies Partial<Record<StoaEvent['type'], MoneyKind>>

/** What `event` tells of an order's money; nothing of a top-up's. */
function moneyIn(event: StoaEvent): readonly MoneyFact[] {
  const isMoney =
    isOf(event, 'payment.captured') ||
    isOf(event, 'payment.voided') ||
    isOf(event, 'payment.refunded') ||
    isOf(event, 'payment.charged_back')
  if (!isMoney || event.data.order === null) return []
  const { payment, order, operation, amountMinor, currency } = event.data
  const about = { order, payment, operation, amountMinor, currency }
  return [{ ...about, kind: moneyKinds[event.type], at: event.at, event: event.id }]
}

/**
 * Hears what became of payments. A payment that was not known and is now lets its order go on, which needs no row of its
 * own: who goes on twice finds it done. What money did is kept by operation, so that it counts once whenever it comes.
 */
export function servePaymentEvents(
  service: Service,
  { placements, orders }: Pick<Deps, 'placements' | 'orders'>,
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
      await orders.heardOf(events.flatMap(moneyIn), call)
      for (const order of new Set(events.flatMap(waitingOrder)))
        await placements.takeUp(order, call)
    },
    report,
  })
}
