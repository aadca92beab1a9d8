import { orders } from '@stoa/contracts/orders'
import { type Context, formatCursor, readCursor, type Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { cancelOrder, type Canceller } from '../domain/order-cancel.ts'
import { placeOrder } from '../domain/order-place.ts'
import {
  type Cancellation,
  noMoney,
  type Order,
  OrderNotFoundError,
  refusedOf,
} from '../domain/order.ts'
import type { OrderSummary } from '../domain/ports.ts'
import { type HistoryLine, historyOf } from '../domain/timeline.ts'
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

function presentCancellation({ state, by, askedAt, code }: Cancellation) {
  return {
    state,
    by,
    askedAt: new Date(askedAt).toISOString(),
    ...(code === null ? {} : { code }),
  }
}

function present(order: Order) {
  const { cancellation, money = noMoney } = order
  return {
    ...presentSummary(order),
    buyer: typedId('usr', order.buyer),
    lines: order.lines.map(presentLine),
    // A pending order may have refused lines already; only a decision says that they are missing.
    missing:
      order.state === 'rejected' ? refusedOf(order).map((product) => typedId('prd', product)) : [],
    payment: order.payment,
    money,
    cancellation: cancellation === undefined ? null : presentCancellation(cancellation),
  }
}

function presentLines(lines: readonly HistoryLine[]) {
  return lines.map(({ at, product, ...line }) => ({
    ...line,
    at: new Date(at).toISOString(),
    ...(product === undefined ? {} : { product: typedId('prd', product) }),
  }))
}

/** Cancels an order of whoever it is; two doors lead here. */
async function cancel(
  deps: Deps,
  { order, by }: { readonly order: string; readonly by: () => Promise<Canceller['by']> },
  { call, once, replayed: says }: Context,
) {
  const canceller = async () => {
    const [who, key] = await Promise.all([by(), once()])
    return { by: who, once: key }
  }
  const request = { order: parseTypedId('ord', order), canceller }
  const { reply, replayed } = await cancelOrder(deps, request, call)
  if (replayed) says()
  return present(reply)
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
    const [buyer, order, saga, money] = await Promise.all([
      member(),
      deps.orders.get(id, call),
      deps.placements.read(id, call),
      deps.orders.moneyOf(id, call),
    ])
    if (order === undefined || saga === undefined || order.buyer !== buyer)
      throw new OrderNotFoundError()
    const { cancellation, state } = order
    const cancelling =
      cancellation === undefined ? undefined : await deps.placements.read(cancellation.saga, call)
    return {
      order: params.order,
      state,
      deadline: new Date(saga.deadline).toISOString(),
      entries: presentLines(historyOf(order, saga, { cancelling, money })),
    }
  })

  service.serve(orders.cancelOrder, ({ params }, context) => {
    const by = async () => ({ buyer: await context.member() })
    return cancel(deps, { order: params.order, by }, context)
  })

  service.serve(orders.cancelOrderForBuyer, ({ params }, context) => {
    const by = async () => {
      await context.principal()
      return 'operator' as const
    }
    return cancel(deps, { order: params.order, by }, context)
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
