import { notifier } from '@stoa/contracts/notifier'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { rearm } from '../domain/rearm.ts'

/** What the reconciler asks for. */
export function serveRepairs(service: Service, deps: Deps): void {
  service.serve(notifier.rearmDelivery, async ({ body }, { call }) => {
    const debt = {
      member: parseTypedId('usr', body.member),
      event: parseTypedId('evt', body.event),
      endpoint: parseTypedId('whe', body.endpoint),
    }
    return { isRearmed: await rearm(deps, { ...debt, again: body.again }, call) }
  })
}
