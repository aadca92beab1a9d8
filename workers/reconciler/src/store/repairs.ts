import { type Client, clientOf, type Links } from '@stoa/contracts'
import { orders } from '@stoa/contracts/orders'
import { payments } from '@stoa/contracts/payments'
import { type Call, isFault, typedId } from '@stoa/kernel'

import type { Repair, Repairs } from '../domain/repairs.ts'
import { channels } from './comparisons/events.ts'
import { type RepublishDeps, resendEvent, retellEdge } from './republish.ts'
import { rowRepairs } from './row-repairs.ts'

type Access = { readonly operatorToken: string }

/** Nothing is left to give back that way: it was given back, or it was never there. */
const nothingLeft: ReadonlySet<string> = new Set(['nothing_to_void', 'refund_exceeds_capture'])

async function unlessNothingIsLeft(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isFault(error) || !nothingLeft.has(error.code)) throw error
  })
}

/** Gives back all that payments hold: what was promised is voided, what was taken is refunded. */
function giveBack(
  client: Client<typeof payments>,
  { operatorToken }: Access,
  idsOf: (said: Readonly<Record<string, unknown>>) => readonly string[],
): Repair {
  return async ({ said, idempotencyKey }, call: Call) => {
    for (const id of idsOf(said)) {
      const params = { payment: typedId('pay', id) }
      const headersOf = (what: string) => ({
        authorization: `Bearer ${operatorToken}`,
        'idempotency-key': `${idempotencyKey}:${what}:${id}`,
      })
      await unlessNothingIsLeft(
        client.voidPayment({ params, body: {}, headers: headersOf('void') }, call),
      )
      await unlessNothingIsLeft(
        client.refundPayment({ params, body: {}, headers: headersOf('refund') }, call),
      )
    }
  }
}

function listed(text: unknown): readonly string[] {
  return typeof text === 'string' && text !== '' ? text.split(',') : []
}

/** Repairs that the services' routes and inboxes can do. */
export function serviceRepairs(
  { fetcher }: Pick<Links, 'fetcher'>,
  deps: RepublishDeps & Access,
): Repairs {
  const goOn: Repair = async (_mending, call) => {
    await clientOf(orders, fetcher('orders')).sweepOrders({ body: {} }, call)
  }
  const settlePayments: Repair = async (_mending, call) => {
    await clientOf(payments, fetcher('payments')).sweepPayments({ body: {} }, call)
  }
  const back = (idsOf: Parameters<typeof giveBack>[2]): Repair => {
    return (mending, call) =>
      giveBack(clientOf(payments, fetcher('payments')), deps, idsOf)(mending, call)
  }
  return {
    ...rowRepairs({ fetcher }, deps),
    ...Object.fromEntries(
      Object.keys(channels).map((name) => [`${name}/resend_events`, resendEvent(deps)]),
    ),
    'twins/copy_twin': retellEdge(deps),
    'orders/redrive_payment': goOn,
    'payment_tries/finish_transaction': goOn,
    'stock_tries/finish_transaction': goOn,
    'orders_deadlines/finish_transaction': goOn,
    'hold_tries/finish_transaction': settlePayments,
    'payments_deadlines/finish_transaction': settlePayments,
    'orders/refund_duplicate': back(({ refund }) => listed(refund)),
    'orders/refund_unknown': back(({ id }) => listed(id)),
  }
}
