import { type Service, serveInbox, report } from '@stoa/http'
import type { Call } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { CellsMovedError } from '../domain/stock.ts'
import { stockChangesOf } from './stock-changes.ts'

async function apply(deps: Deps, events: readonly StoaEvent[], call: Call): Promise<void> {
  const changes = await Promise.all(events.map((event) => stockChangesOf(event, deps, call)))
  await deps.stock.apply(changes.flat(), call)
}

/** Serves the deliveries of the queue. */
export function serveDeliveries(
  service: Service,
  { deps, publicUrl }: { readonly deps: Deps; readonly publicUrl: string },
): void {
  serveInbox(service, {
    consumer: 'warehouse',
    publicUrl,
    verifier: deps.verifier,
    apply: async (events, call) => {
      try {
        await apply(deps, events, call)
      } catch (error) {
        // Now it is known where they are; what was applied is not applied again.
        if (!(error instanceof CellsMovedError)) throw error
        await apply(deps, events, call)
      }
    },
    report,
  })
}
