import { AmbiguousWriteError, type Call, type Clock, type Ids } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'
import { newSaga } from '@stoa/transactions'

import { cancellationOf } from './cancellation.ts'
import {
  CancellationUnderWayError,
  type Order,
  OrderNotCancellableError,
  OrderNotFoundError,
  OrderUnderWayError,
} from './order.ts'
import type { Begun, Cancellations, OrderStore, Placement } from './ports.ts'

type Deps = {
  readonly orders: Pick<OrderStore, 'get'>
  readonly cancellations: Cancellations
  readonly ids: Ids
  readonly clock: Clock
}

/** Who cancels, under which key: its buyer, or an operator for whoever that is. */
export type Canceller = {
  readonly once: Once
  readonly by: { readonly buyer: string } | 'operator'
}

export type CancelRequest = {
  readonly order: string
  /** A promise, because the session is checked while the order is read. */
  readonly canceller: () => Promise<Canceller>
}

/** Why an order cannot be cancelled now; nothing when it can. */
function refusalOf({ id, state, cancellation }: Order): Error | undefined {
  if (state === 'pending') return new OrderUnderWayError()
  if (state !== 'confirmed') return new OrderNotCancellableError({ id, state })
  return cancellation?.state === 'pending' ? new CancellationUnderWayError() : undefined
}

/** The answer of an earlier request; one that nobody works on any more is brought to its answer here. */
async function replay(
  { cancellations }: Deps,
  { found, order, once }: { readonly found: Begun; readonly order: Order; readonly once: Once },
  call: Call,
): Promise<Answered<Order>> {
  if (!('underWay' in found)) return { reply: found, replayed: true }
  const taken = await cancellations.takeUp({ saga: found.underWay, order: order.id }, call)
  const reply = taken ? await cancellations.find(once, order.id, call) : undefined
  if (reply === undefined || 'underWay' in reply) throw new CancellationUnderWayError()
  return { reply, replayed: true }
}

function cancelling({ ids, clock }: Deps, order: Order, by: Canceller['by']): Placement {
  const now = clock.now()
  const id = ids.child(order.buyer)
  const saga = newSaga(cancellationOf(order), order, { id, now })
  const who = by === 'operator' ? by : 'buyer'
  const asked = { saga: id, state: 'pending', by: who, askedAt: now } as const
  return { order: { ...order, cancellation: { ...asked, decidedAt: null, code: null } }, saga }
}

/**
 * Cancels a confirmed order, once for a key: sees that its money and its units can be given back, and decides; what it
 * holds goes back after the answer. That it was asked for, its saga and the key's row commit together; the decision commits
 * with the order's event and the answer. What is not known in time is answered as pending, and goes on by itself.
 *
 * Four round trips; a repeat two.
 *
 * @throws OrderNotFoundError, OrderNotCancellableError, OrderUnderWayError, CancellationUnderWayError, KeyReusedError.
 */
export async function cancelOrder(
  deps: Deps,
  { order: id, canceller }: CancelRequest,
  call: Call,
): Promise<Answered<Order>> {
  const { cancellations } = deps
  const [{ once, by }, order] = await Promise.all([canceller(), deps.orders.get(id, call)])
  const isTheirs = by === 'operator' || by.buyer === order?.buyer
  if (order === undefined || !isTheirs) throw new OrderNotFoundError()
  const refusal = refusalOf(order)
  if (refusal !== undefined) {
    const found = await cancellations.find(once, id, call)
    if (found === undefined) throw refusal
    return replay(deps, { found, order, once }, call)
  }
  const placement = cancelling(deps, order, by)
  const begun = await cancellations.begin(once, placement, call).catch(async (error: unknown) => {
    if (!(error instanceof AmbiguousWriteError)) throw error
    const reply = await cancellations.find(once, id, call)
    if (reply === undefined) throw error
    return { reply, replayed: !('underWay' in reply) || reply.underWay !== placement.saga.id }
  })
  if (begun.replayed) return replay(deps, { found: begun.reply, order, once }, call)
  return { reply: await cancellations.run(placement, call), replayed: false }
}
