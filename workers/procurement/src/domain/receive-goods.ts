import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Answered, newEvent, type Once } from '@stoa/messaging'

import type { PurchaseOrderStore, Received } from './ports.ts'
import { type PurchaseOrder, PurchaseOrderNotFoundError } from './purchase-order.ts'
import { OverReceiptError, received, type ReceivedLine, StaleVersionError } from './receipt.ts'

/** How often a receipt is tried when others of the same order come first; each try means that one of them got in. */
const triesMax = 5

type Deps = {
  readonly purchaseOrders: PurchaseOrderStore
  readonly ids: Ids
  readonly clock: Clock
}

type Arrival = {
  readonly once: Once
  readonly purchaseOrder: string
  readonly lines: readonly ReceivedLine[]
}

async function write(
  { purchaseOrders, ids, clock }: Deps,
  { order, arrival }: { readonly order: PurchaseOrder; readonly arrival: Arrival },
  call: Call,
): Promise<Answered<Received>> {
  const { once, lines } = arrival
  const after = received(order, lines)
  const at = clock.now()
  const receipt = { id: ids.child(order.id), purchaseOrder: order.id, lines, createdAt: at }
  const event = newEvent(ids, 'goods.received', {
    key: order.id,
    seq: after.version,
    at,
    cause: call.requestId,
    data: { purchaseOrder: order.id, receipt: receipt.id, lines: [...lines] },
  })
  return purchaseOrders.receive(
    { once, received: { receipt, order: after }, events: [event] },
    call,
  )
}

async function attempt(
  deps: Deps,
  arrival: Arrival,
  call: Call,
): Promise<Answered<Received> | undefined> {
  const { purchaseOrders } = deps
  const { once, purchaseOrder } = arrival
  const order = await purchaseOrders.get(purchaseOrder, call)
  if (order === undefined) throw new PurchaseOrderNotFoundError()
  try {
    return await write(deps, { order, arrival }, call)
  } catch (error) {
    if (error instanceof StaleVersionError) return undefined
    if (!(error instanceof OverReceiptError)) throw error
    // What is received already may be what an earlier try of this very request brought.
    const own = await purchaseOrders.findReceived(once, purchaseOrder, call)
    if (own === undefined) throw error
    return { reply: own, replayed: true }
  }
}

/**
 * Records goods that arrived and tells the warehouse. Receipts of one order are written one after the other: one that
 * finds the order changed looks at it again.
 *
 * @throws PurchaseOrderNotFoundError, DuplicateLineError, NotOrderedError, OverReceiptError, KeyReusedError.
 * @throws StaleVersionError when others came first every time.
 */
export async function receiveGoods(
  deps: Deps,
  arrival: Arrival,
  call: Call,
): Promise<Answered<Received>> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const answered = await attempt(deps, arrival, call)
    if (answered !== undefined) return answered
  }
  throw new StaleVersionError()
}
