import { payments } from '@stoa/contracts/payments'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { paymentIdOf } from '../domain/payment.ts'
import { runReturnBranch } from '../domain/return-branch.ts'
import { runBranch } from '../domain/run-branch.ts'

export function serveBranches(service: Service, deps: Deps): void {
  service.serve(payments.runPaymentBranch, async ({ body }, { call }) => {
    const { gid, branch, op, amountMinor, currency, method } = body
    const buyer = parseTypedId('usr', body.buyer)
    const order = parseTypedId('ord', body.order)
    const subject = { payment: paymentIdOf({ buyer, gid, branch }), buyer, order, gid, branch }
    return runBranch(deps, { op, subject, amountMinor, currency, token: method.token }, call)
  })

  service.serve(payments.runReturnBranch, ({ body }, { call }) =>
    runReturnBranch(deps, { ...body, order: parseTypedId('ord', body.order) }, call),
  )
}
