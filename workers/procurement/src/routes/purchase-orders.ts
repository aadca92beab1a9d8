import { procurement } from '@stoa/contracts/procurement'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { PurchaseOrderNotFoundError } from '../domain/purchase-order.ts'
import { receiveGoods } from '../domain/receive-goods.ts'
import { submit } from '../domain/submit.ts'
import { presentOrder } from './present.ts'

/** `lines` with their products as tables keep them. */
function withIds<T extends { readonly product: string }>(lines: readonly T[]): readonly T[] {
  return lines.map((line) => ({ ...line, product: parseTypedId('prd', line.product) }))
}

export function servePurchaseOrders(service: Service, deps: Deps): void {
  service.serve(procurement.createPurchaseOrder, async ({ body }, context) => {
    const once = await context.once()
    const submission = {
      supplier: parseTypedId('sup', body.supplier),
      currency: body.currency,
      lines: withIds(body.lines),
    }
    const { reply, replayed } = await submit(deps, { once, submission }, context.call)
    if (replayed) context.replayed()
    return presentOrder(reply)
  })

  service.serve(procurement.getPurchaseOrder, async ({ params }, { principal, call }) => {
    // Whether it exists is told only to who may know.
    const [, order] = await Promise.all([
      principal(),
      deps.purchaseOrders.get(parseTypedId('pur', params.purchaseOrder), call),
    ])
    if (order === undefined) throw new PurchaseOrderNotFoundError()
    return presentOrder(order)
  })

  service.serve(procurement.receiveGoods, async ({ params, body }, context) => {
    const arrival = {
      once: await context.once(),
      purchaseOrder: parseTypedId('pur', params.purchaseOrder),
      lines: withIds(body.lines),
    }
    const { reply, replayed } = await receiveGoods(deps, arrival, context.call)
    if (replayed) context.replayed()
    return { id: typedId('rcp', reply.receipt.id), purchaseOrder: presentOrder(reply.order) }
  })
}
