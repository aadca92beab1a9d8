import { type Service, serveInbox, report } from '@stoa/http'

import type { Deps } from '../deps.ts'
import { stockChangesOf } from './stock-changes.ts'

/** Serves the deliveries of the queue. */
export function serveDeliveries(
  service: Service,
  { deps, publicUrl }: { readonly deps: Deps; readonly publicUrl: string },
): void {
  serveInbox(service, {
    consumer: 'warehouse',
    publicUrl,
    verifier: deps.verifier,
    apply: (events, call) => deps.stock.apply(events.flatMap(stockChangesOf), call),
    report,
  })
}
