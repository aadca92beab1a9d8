import { payments } from '@stoa/contracts/payments'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { rebookPayment, refundUnclaimed, replayPayment } from '../domain/mend.ts'

/** What the reconciler asks for. */
export function serveRepairs(service: Service, deps: Deps): void {
  service.serve(payments.replayPayment, async ({ body: { payment: ref, ...moved } }, { call }) => {
    const { payment } = await replayPayment(deps, { ...moved, ref }, call)
    return { payment: typedId('pay', payment) }
  })

  service.serve(payments.refundUnclaimed, async ({ body: { payment: ref, ...rest } }, { call }) => {
    const { payment } = await refundUnclaimed(deps, { ...rest, ref, kind: 'capture' }, call)
    return { payment: typedId('pay', payment) }
  })

  service.serve(payments.rebookPayment, async ({ body }, { call }) => {
    const { booked } = await rebookPayment(deps, parseTypedId('pay', body.payment), call)
    return { payment: body.payment, booked }
  })
}
