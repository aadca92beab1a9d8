import { qstashVerifier } from '@stoa/adapters/qstash'
import { type Service, serveInbox, report } from '@stoa/http'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { settle, type StockAnswer } from '../domain/order-settle.ts'
import type { Config } from '../env.ts'

/** What an event says of a line; nothing, for an event that is not the warehouse's. */
function answerOf(event: StoaEvent): readonly StockAnswer[] {
  if (isOf(event, 'stock.reserved')) {
    return [{ event, order: event.data.order, product: event.data.product, answer: 'reserved' }]
  }
  if (isOf(event, 'stock.refused')) {
    return [{ event, order: event.data.order, product: event.data.product, answer: 'refused' }]
  }
  return []
}

/** Hears from the warehouse which lines are reserved and which are not to be had. */
export function serveStockEvents(service: Service, deps: Deps, config: Config): void {
  serveInbox(service, {
    consumer: 'orders',
    publicUrl: config.PUBLIC_URL,
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
    apply: (events, call) => settle(deps, events.flatMap(answerOf), call),
    report,
  })
}
