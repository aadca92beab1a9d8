import { orders } from '@stoa/contracts/orders'
import { formatCursor, readCursor, type Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'
import type { Saga } from '@stoa/transactions'

import type { Deps } from '../deps.ts'
import { placeOrder } from '../domain/order-place.ts'
import { type Order, OrderNotFoundError, refusedOf } from '../domain/order.ts'
import type { OrderSummary } from '../domain/ports.ts'
import { historyOf } from '../domain/timeline.ts'
import { presentLine } from './carts.ts'

function presentSummary({ id, state, totalMinor, currency, createdAt }: OrderSummary) {
  return {
    id: typedId('ord', id),
    state,
    totalMinor,
    currency,
    createdAt: new Date(createdAt).toISOString(),
  }
}

function present(order: Order) {
  return {
    ...presentSummary(order),
    buyer: typedId('usr', order.buyer),
    lines: order.lines.map(presentLine),
    // A pending order may have refused lines already; only a decision says that they are missing.
    missing:
      order.state === 'rejected' ? refusedOf(order).map((product) => typedId('prd', product)) : [],
    payment: order.payment,
  }
}

function presentHistory(order: Order, saga: Saga) {
  return {
    order: typedId('ord', order.id),
    state: order.state,
    deadline: new Date(saga.deadline).toISOString(),
    entries: historyOf(order, saga).map(({ at, product, ...line }) => ({
      ...line,
      at: new Date(at).toISOString(),
      ...(product === undefined ? {} : { product: typedId('prd', product) }),
    })),
  }
}

export function serveOrders(service: Service, deps: Deps): void {
  service.serve(orders.placeOrder, async ({ body }, context) => {
    const buyer = async () => {
      const [member, once] = await Promise.all([context.member(), context.once()])
      return { member, once }
    }
    const { cartToken, quote, payment: method } = body
    const request = { cart: parseTypedId('crt', body.cart), cartToken, quote, method, buyer }
    const { reply, replayed } = await placeOrder(deps, request, context.call)
    if (replayed) context.replayed()
    return present(reply)
  })

  service.serve(orders.getOrder, async ({ params }, { call, member }) => {
    const id = parseTypedId('ord', params.order)
    const [buyer, order] = await Promise.all([member(), deps.orders.get(id, call)])
    if (order === undefined || order.buyer !== buyer) throw new OrderNotFoundError()
    return present(order)
  })

  service.serve(orders.orderTimeline, async ({ params }, { call, member }) => {
    const id = parseTypedId('ord', params.order)
    const [buyer, order, saga] = await Promise.all([
      member(),
      deps.orders.get(id, call),
      deps.placements.read(id, call),
    ])
    if (order === undefined || saga === undefined || order.buyer !== buyer)
      throw new OrderNotFoundError()
    return presentHistory(order, saga)
  })

  service.serve(orders.sweepOrders, async (_input, { call }) => {
    const { stuck, ...counts } = await deps.placements.sweep(call)
    return { ...counts, stuck: stuck.map((order) => typedId('ord', order)) }
  })

  service.serve(orders.listOrders, async ({ query: { limit, cursor } }, { call, member }) => {
    const before = cursor === undefined ? undefined : readCursor(cursor)
    const found = await deps.orders.list(await member(), { limit: limit + 1, before }, call)
    const items = found.slice(0, limit)
    const last = items.at(-1)
    return {
      items: items.map(presentSummary),
      ...(found.length > limit && last !== undefined ? { next: formatCursor(last.id) } : {}),
    }
  })
}
