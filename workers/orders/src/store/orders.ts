import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { linesMax } from '@stoa/contracts/orders'
import { orderHead, orderLine } from '@stoa/data/orders'
import { and, asc, desc, eq, lt, sql } from 'drizzle-orm'

import type { Order } from '../domain/order.ts'
import type { OrderStore } from '../domain/ports.ts'
import { db } from './builder.ts'

const summary = {
  id: orderHead.id,
  state: orderHead.state,
  totalMinor: orderHead.totalMinor,
  currency: orderHead.currency,
  createdAt: orderHead.createdAt,
}

function selectOrder(id: string) {
  return db
    .select({
      ...summary,
      buyer: orderHead.buyer,
      cart: orderHead.cart,
      version: orderHead.version,
      payment: orderHead.payment,
      decidedAt: orderHead.decidedAt,
      product: orderLine.product,
      title: orderLine.title,
      quantity: orderLine.quantity,
      priceMinor: orderLine.priceMinor,
      seller: orderLine.seller,
      // Two columns of one name cannot be told apart by a query around this one.
      lineState: sql<Order['lines'][number]['state']>`${orderLine.state}`.as('line_state'),
    })
    .from(orderHead)
    .innerJoin(orderLine, eq(orderLine.orderId, orderHead.id))
    .where(eq(orderHead.id, id))
    .orderBy(asc(orderLine.product))
    .limit(linesMax)
}

type OrderRow = Awaited<ReturnType<typeof selectOrder>>[number]

function orderOf(rows: readonly OrderRow[]): Order | undefined {
  const [head] = rows
  if (head === undefined) return undefined
  const { product: _product, lineState: _state, ...rest } = head
  const { title: _title, quantity: _quantity, priceMinor: _price, seller: _seller, ...order } = rest
  const lines = rows.map(({ product, title, quantity, priceMinor, seller, lineState }) => {
    return { product, title, quantity, priceMinor, seller, state: lineState }
  })
  return { ...order, lines }
}

export function orderStore({ router }: KeyspaceAccess): OrderStore {
  return {
    get: async (id, call) => {
      const query = selectOrder(id)
      return orderOf(await rowsOf(query, await router.read(id, statement(query), call)))
    },
    list: async (buyer, { limit, before }, call) => {
      const older = before === undefined ? undefined : lt(orderHead.id, before)
      const query = db
        .select(summary)
        .from(orderHead)
        .where(and(eq(orderHead.buyer, buyer), older))
        // Ids of one buyer ascend with time: they share their owner's prefix.
        .orderBy(desc(orderHead.id))
        .limit(limit)
      return rowsOf(query, await router.read(buyer, statement(query), call))
    },
  }
}
