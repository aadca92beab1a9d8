import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { linesMax } from '@stoa/contracts/orders'
import { orderCancellation, orderHead, orderLine, orderMoney } from '@stoa/data/orders'
import { and, asc, desc, eq, lt, sql } from 'drizzle-orm'

import { type Cancellation, type Money, noMoney, type Order } from '../domain/order.ts'
import type { OrderStore } from '../domain/ports.ts'
import { db } from './builder.ts'
import { moneyStore } from './money.ts'

const isCancelled = sql`EXISTS (SELECT 1 FROM ${orderCancellation} AS gone
WHERE gone.order_id = ${orderHead.id} AND gone.state = 'cancelled')`

const summary = {
  id: orderHead.id,
  // How it was decided stays in its own row; that it was cancelled since is beside it.
  state: sql<
    Order['state']
  >`CASE WHEN ${isCancelled} THEN 'cancelled' ELSE ${orderHead.state} END`.as('order_state'),
  totalMinor: orderHead.totalMinor,
  currency: orderHead.currency,
  createdAt: orderHead.createdAt,
}

/** An order is cancelled at most once at a time, so what is beside it is one value. Text, as JSON. */
const cancellation = sql<
  string | null
>`(SELECT json_object('saga', saga, 'state', state, 'by', asked_by,
  'askedAt', asked_at, 'decidedAt', decided_at, 'code', code) FROM ${orderCancellation}
WHERE order_id = ${orderHead.id})`.as('cancellation')

const money = sql<string>`(SELECT json_group_object(kind || 'Minor', total) FROM (
  SELECT kind, sum(amount_minor) AS total FROM ${orderMoney} WHERE order_id = ${orderHead.id} GROUP BY kind))`.as(
  'money',
)

function selectOrder(id: string) {
  return db
    .select({
      ...summary,
      cancellation,
      money,
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
  const { product: _product, lineState: _state, cancellation: gone, money: moved, ...rest } = head
  const { title: _title, quantity: _quantity, priceMinor: _price, seller: _seller, ...order } = rest
  const lines = rows.map(({ product, title, quantity, priceMinor, seller, lineState }) => {
    return { product, title, quantity, priceMinor, seller, state: lineState }
  })
  // Made by the query above, from rows that the schema checks.
  const wanted = gone === null ? undefined : (JSON.parse(gone) as Cancellation)
  const known = { ...noMoney, ...(JSON.parse(moved) as Partial<Money>) }
  const isOver = wanted?.state === 'cancelled'
  return {
    ...order,
    ...(isOver ? { version: 3 } : {}),
    ...(wanted === undefined ? {} : { cancellation: wanted }),
    money: known,
    lines,
  }
}

export function orderStore(access: Pick<KeyspaceAccess, 'router'>): OrderStore {
  const { router } = access
  return {
    ...moneyStore(access),
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
