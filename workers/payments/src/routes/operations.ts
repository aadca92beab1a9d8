import { payments } from '@stoa/contracts/payments'
import type { Context, Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { operate, type Operated } from '../domain/operate.ts'
import type { Wish } from '../domain/ports.ts'

function present({ id, payment, createdAt, ...operation }: Operated) {
  return {
    id: typedId('pop', id),
    payment: typedId('pay', payment),
    ...operation,
    createdAt: new Date(createdAt).toISOString(),
  }
}

async function serve(
  deps: Deps,
  wish: Pick<Wish, 'kind' | 'amountMinor'> & { readonly payment: string },
  { call, once, replayed: says }: Context,
) {
  const payment = parseTypedId('pay', wish.payment)
  const asked = { ...wish, payment, once: await once() }
  const { reply, replayed } = await operate(deps, asked, call)
  if (replayed) says()
  return present(reply)
}

export function serveOperations(service: Service, deps: Deps): void {
  service.serve(payments.capturePayment, ({ params, body: { amountMinor } }, context) =>
    serve(deps, { kind: 'capture', payment: params.payment, amountMinor }, context),
  )
  service.serve(payments.voidPayment, ({ params }, context) =>
    serve(deps, { kind: 'void', payment: params.payment }, context),
  )
  service.serve(payments.refundPayment, ({ params, body: { amountMinor } }, context) =>
    serve(deps, { kind: 'refund', payment: params.payment, amountMinor }, context),
  )
}
