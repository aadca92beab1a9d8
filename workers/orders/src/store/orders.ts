import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { linesMax } from '@stoa/contracts/orders'
import { cart as carts, orderHead, orderLine } from '@stoa/data/orders'
import { type Call, type Statement } from '@stoa/kernel'
import type { Effect } from '@stoa/messaging'
import { and, asc, desc, eq, lt, sql } from 'drizzle-orm'

import { CartChangedError } from '../domain/cart.ts'
import { StaleOrderError, type Step } from '../domain/order-settle.ts'
import type { Order } from '../domain/order.ts'
import type { OrderStore } from '../domain/ports.ts'
import { db } from './builder.ts'
import { stoppedAt } from './gate.ts'

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
  const { id, buyer, cart, state, version, totalMinor, currency, createdAt } = head
  const lines = rows.map(({ product, title, quantity, priceMinor, seller, lineState }) => {
    return { product, title, quantity, priceMinor, seller, state: lineState }
  })
  return { id, buyer, cart, state, version, totalMinor, currency, createdAt, lines }
}

async function getOrders(
  { router }: KeyspaceAccess,
  ids: readonly string[],
  call: Call,
): Promise<ReadonlyMap<string, Order>> {
  const queries = ids.map((id) => ({ key: id, query: selectOrder(id) }))
  const asked = queries.map(({ key, query }) => ({ key, statement: statement(query) }))
  const answers = await router.readMany(asked, call)
  const found = await Promise.all(
    queries.map(async ({ query }, index) => {
      const rows = answers[index]
      return rows === undefined ? undefined : orderOf(await rowsOf(query, rows))
    }),
  )
  return new Map(found.flatMap((order) => (order === undefined ? [] : [[order.id, order]])))
}

/** Closes a cart that is still as it was read; any other stops the batch. */
function closeCart(cart: { readonly cart: string; readonly version: number }, order: string) {
  const isAsRead = sql`${carts.version} = ${cart.version} AND ${carts.orderedBy} IS NULL`
  return db
    .update(carts)
    .set({
      version: sql`CASE WHEN ${isAsRead} THEN ${carts.version} + 1 END`,
      orderedBy: order,
    })
    .where(eq(carts.id, cart.cart))
}

function placeStatements(
  { lines, ...head }: Order,
  closes: Parameters<OrderStore['place']>[0]['closes'],
  cause: string,
): readonly Statement[] {
  return [
    ...(closes === undefined ? [] : [statement(closeCart(closes, head.id))]),
    statement(db.insert(orderHead).values({ ...head, cause })),
    statement(db.insert(orderLine).values(lines.map((line) => ({ ...line, orderId: head.id })))),
  ]
}

/** An answer that is not the last: stops the batch when no other line is pending any more, for then it is. */
function answerLine({ answer: { order, product, answer } }: Step): Statement {
  return {
    sql: `UPDATE order_line SET state = CASE WHEN EXISTS
  (SELECT 1 FROM order_line WHERE order_id = ? AND product <> ? AND state = 'pending') THEN ? END
WHERE order_id = ? AND product = ? AND state = 'pending'`,
    args: [order, product, answer, order, product],
  }
}

/** The last answer, and the decision; stops the batch unless every line is what the decision was made on. */
function decide({ answer: { order, product, answer, event }, after }: Step): readonly Statement[] {
  return [
    {
      sql: "UPDATE order_line SET state = ? WHERE order_id = ? AND product = ? AND state = 'pending'",
      args: [answer, order, product],
    },
    {
      sql: `UPDATE order_head SET state = ?, cause = ?, version = CASE WHEN version = 1 AND
  (SELECT group_concat(state ORDER BY product) FROM order_line WHERE order_id = ?) = ? THEN ? END
WHERE id = ?`,
      args: [
        after.state,
        event.id,
        order,
        after.lines.map(({ state }) => state).join(),
        after.version,
        order,
      ],
    },
  ]
}

function effectOf(step: Step): Effect {
  const { answer, before, after, events } = step
  const effect = { event: answer.event, key: answer.order, events }
  if (after === before) return { ...effect, statements: [] }
  return { ...effect, statements: after.state === 'pending' ? [answerLine(step)] : decide(step) }
}

export function orderStore(access: KeyspaceAccess): OrderStore {
  return {
    place: async ({ once, order, closes, events }, call) => {
      const key = order.buyer
      const statements = placeStatements(order, closes, call.requestId)
      try {
        const work = { keys: [key], statements, events }
        return await access.once.run(once, { key, work, reply: order }, call)
      } catch (error) {
        if (stoppedAt(error, 'cart.version')) throw new CartChangedError({ cause: error })
        throw error
      }
    },
    findPlaced: ({ once, member }, call) => access.once.find<Order>(once, member, call),
    get: async (id, call) => (await getOrders(access, [id], call)).get(id),
    getMany: (ids, call) => getOrders(access, ids, call),
    list: async (buyer, { limit, before }, call) => {
      const older = before === undefined ? undefined : lt(orderHead.id, before)
      const query = db
        .select(summary)
        .from(orderHead)
        .where(and(eq(orderHead.buyer, buyer), older))
        // Ids of one buyer ascend with time: they share their owner's prefix.
        .orderBy(desc(orderHead.id))
        .limit(limit)
      return rowsOf(query, await access.router.read(buyer, statement(query), call))
    },
    settle: async (steps, call) => {
      try {
        await access.inbox.apply(steps.map(effectOf), call)
      } catch (error) {
        const isStale =
          stoppedAt(error, 'order_head.version') || stoppedAt(error, 'order_line.state')
        throw isStale ? new StaleOrderError({ cause: error }) : error
      }
    },
  }
}
