import { type Client, clientOf, type Links } from '@stoa/contracts'
import { orders } from '@stoa/contracts/orders'
import { payments } from '@stoa/contracts/payments'
import { type Call, Fault, isFault, typedId } from '@stoa/kernel'

import { type Repair, type Repairs, RepairUnavailableError } from '../domain/repairs.ts'
import { channels } from './comparisons/events.ts'
import { type RepublishDeps, resendEvent, retellEdge } from './republish.ts'
import { rowRepairs } from './row-repairs.ts'

/** The money of a cancelled order has been asked back, and the provider has not said that it is. */
export class MoneyUnderWayError extends Fault {
  override readonly name = 'MoneyUnderWayError'
  override readonly code = 'money_under_way'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(order: string) {
    super(`Cannot say that the money of order "${order}" is back: its provider does not answer`)
  }
}

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

/** As the orders service names the branch by which the money of a cancelled order goes back. */
const returnBranch = 'payment'

/**
 * Lets what an order's saga decided be told once more. The saga of one that is cancelled has ended: the branch that was to
 * give its money back is asked again, which asks for no more than what is held.
 */
function redrive({ fetcher }: Pick<Links, 'fetcher'>, goOn: Repair): Repair {
  return async (mending, call) => {
    const { key, said, of, action } = mending
    const { saga } = said
    if (typeof saga !== 'string') return goOn(mending, call)
    const { outcome } = await clientOf(payments, fetcher('payments')).runReturnBranch(
      { body: { gid: saga, branch: returnBranch, op: 'confirm', order: typedId('ord', key) } },
      call,
    )
    if (outcome === 'pending') throw new MoneyUnderWayError(key)
    // What the provider refuses to give back, a person does.
    if (outcome === 'refused') throw new RepairUnavailableError(of, action)
  }
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
    'orders/redrive_payment': redrive({ fetcher }, goOn),
    'payment_tries/finish_transaction': goOn,
    'stock_tries/finish_transaction': goOn,
    'orders_deadlines/finish_transaction': goOn,
    'hold_tries/finish_transaction': settlePayments,
    'payments_deadlines/finish_transaction': settlePayments,
    'orders/refund_duplicate': back(({ refund }) => listed(refund)),
    'orders/refund_unknown': back(({ id }) => listed(id)),
  }
}
