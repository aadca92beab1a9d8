import { payments } from '@stoa/contracts/payments'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { PaymentNotFoundError } from '../domain/faults.ts'
import { type Payment, stateOf } from '../domain/payment.ts'

function present(payment: Payment) {
  const { id, orderId, buyer, amountMinor, currency, createdAt } = payment
  const { authorisedMinor, capturedMinor, voidedMinor, refundedMinor, chargedBackMinor } = payment
  return {
    id: typedId('pay', id),
    order: orderId === null ? null : typedId('ord', orderId),
    buyer: typedId('usr', buyer),
    state: stateOf(payment),
    amountMinor,
    currency,
    authorisedMinor,
    capturedMinor,
    voidedMinor,
    refundedMinor,
    chargedBackMinor,
    createdAt: new Date(createdAt).toISOString(),
  }
}

export function servePayments(service: Service, deps: Deps): void {
  service.serve(payments.getPayment, async ({ params }, { call, member }) => {
    const id = parseTypedId('pay', params.payment)
    const [buyer, found] = await Promise.all([member(), deps.payments.get(id, call)])
    // Another's payment is answered like one that never was.
    if (found === undefined || found.buyer !== buyer) throw new PaymentNotFoundError()
    return present(found)
  })

  service.serve(payments.listOrderPayments, async ({ params }, { call, member }) => {
    const order = parseTypedId('ord', params.order)
    const [buyer, found] = await Promise.all([member(), deps.payments.ofOrder(order, call)])
    return { items: found.filter((each) => each.buyer === buyer).map(present) }
  })
}
