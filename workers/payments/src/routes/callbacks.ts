import { payments } from '@stoa/contracts/payments'
import { readBytes, type Service } from '@stoa/http'

import type { Deps } from '../deps.ts'
import { receiveCallback } from '../domain/receive-callback.ts'

/** What a provider may say at once; Stripe's events are the largest, and far below it. */
const bodyBytesMax = 256 * 1024

export function serveCallbacks(service: Service, deps: Deps): void {
  service.serve(payments.receivePaymentCallback, async ({ params }, { call, request }) => {
    const body = new TextDecoder().decode(await readBytes(request, bodyBytesMax))
    await receiveCallback(deps, { provider: params.provider, request, body }, call)
    return { received: true as const }
  })
}
