import { stats } from '@stoa/contracts/stats'
import type { Service } from '@stoa/http'
import { rootCall, within } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { recordAll } from '../domain/record.ts'
import { idOf } from './subjects.ts'

/** Work behind an answer is ended by the platform after 30 seconds. */
const settleMsMax = 25_000

/** A request of its own: who reported has been answered, and must neither stop the flush nor pay for it. */
function settleCall({ clock }: Deps) {
  return within(rootCall(`flush-${crypto.randomUUID()}`), settleMsMax, clock)
}

export function serveReports(service: Service, deps: Deps): void {
  service.serve(stats.recordEvents, async ({ body: { events } }) => {
    // All are read before the first is counted: of a batch that is refused nothing is.
    const reports = events.map((event) => ({ ...event, subject: idOf(event) }))
    const accepted = recordAll(deps.counting, reports)
    deps.defer(deps.counting.settle(settleCall(deps)))
    return { accepted }
  })
}
