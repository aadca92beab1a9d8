import { statement } from '@stoa/adapters/libsql'
import { orders as routes } from '@stoa/contracts/orders'
import { cart as carts, orderHead, orderLine } from '@stoa/data/orders'
import type { Statement } from '@stoa/kernel'
import { eq, sql } from 'drizzle-orm'

import type { Order } from '../domain/order.ts'
import { db } from './builder.ts'

export type Closing = { readonly cart: string; readonly version: number }

/** Closes a cart that is still as it was read; any other stops the batch. */
function closeCart(cart: Closing, order: string) {
  const isAsRead = sql`${carts.version} = ${cart.version} AND ${carts.orderedBy} IS NULL`
  return db
    .update(carts)
    .set({
      version: sql`CASE WHEN ${isAsRead} THEN ${carts.version} + 1 END`,
      orderedBy: order,
    })
    .where(eq(carts.id, cart.cart))
}

/** The rows of a new order. */
export function placeStatements(
  { lines, cancellation: _none, money: _nothing, ...head }: Order,
  { closes, cause }: { readonly closes: Closing | undefined; readonly cause: string },
): readonly Statement[] {
  return [
    ...(closes === undefined ? [] : [statement(closeCart(closes, head.id))]),
    statement(db.insert(orderHead).values({ ...head, state: 'pending', cause })),
    statement(db.insert(orderLine).values(lines.map((line) => ({ ...line, orderId: head.id })))),
  ]
}

/** What is kept under the key of an order that has no answer yet. */
export function underWay(order: string): { readonly underWay: string } {
  return { underWay: order }
}

/** Keeps `order` as the answer under its key, unless there is one: the first stays, for every repeat. */
function keepAnswer(order: Order): Statement {
  const { method, path } = routes.placeOrder
  return {
    sql: `UPDATE idempotency SET response = ?
WHERE slot = ? AND principal = ? AND method = ? AND route = ? AND response = ?`,
    args: [
      JSON.stringify(order),
      order.buyer,
      order.buyer,
      method,
      path,
      JSON.stringify(underWay(order.id)),
    ],
  }
}

/** A pending order, with what its payment waits for. */
export function waitStatements(order: Order): readonly Statement[] {
  return [
    {
      sql: 'UPDATE order_head SET payment = ? WHERE id = ? AND version = 1',
      args: [order.payment, order.id],
    },
    keepAnswer(order),
  ]
}

/** The decided order; stops the batch when it was decided before. */
export function decideStatements(order: Order, cause: string): readonly Statement[] {
  const { id, state, payment, decidedAt, version } = order
  return [
    {
      sql: `UPDATE order_head SET state = ?, payment = ?, decided_at = ?, cause = ?,
  version = CASE WHEN version = 1 THEN ? END WHERE id = ?`,
      args: [state, payment, decidedAt, cause, version, id],
    },
    {
      sql: `UPDATE order_line SET state =
  (SELECT each.value ->> 1 FROM json_each(?) AS each WHERE each.value ->> 0 = order_line.product)
WHERE order_id = ?`,
      args: [JSON.stringify(order.lines.map((line) => [line.product, line.state])), id],
    },
    keepAnswer(order),
  ]
}
