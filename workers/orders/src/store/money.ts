import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { orderMoney } from '@stoa/data/orders'
import { asc, eq } from 'drizzle-orm'

import type { MoneyFact, OrderStore } from '../domain/ports.ts'
import { db } from './builder.ts'

/** The most that a timeline shows: a payment has few operations, and an order few payments. */
const shownMax = 100

/** Of orders that are here: what else payments are made for is not written. */
const insertSql = `INSERT INTO order_money (order_id, payment, operation, kind, amount_minor, currency, at, event)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM json_each(?) WHERE EXISTS (SELECT 1 FROM order_head WHERE id = value ->> 0) ON CONFLICT DO NOTHING`

function keyOf({ order }: MoneyFact): string {
  return order
}

/** What payments have told of orders: the row of an operation is what makes a repeat harmless, for ever. */
export function moneyStore({
  router,
}: Pick<KeyspaceAccess, 'router'>): Pick<OrderStore, 'moneyOf' | 'heardOf'> {
  return {
    moneyOf: async (id, call) => {
      const query = db
        .select({
          order: orderMoney.orderId,
          payment: orderMoney.payment,
          operation: orderMoney.operation,
          kind: orderMoney.kind,
          amountMinor: orderMoney.amountMinor,
          currency: orderMoney.currency,
          at: orderMoney.at,
          event: orderMoney.event,
        })
        .from(orderMoney)
        .where(eq(orderMoney.orderId, id))
        .orderBy(asc(orderMoney.at), asc(orderMoney.event))
        .limit(shownMax)
      return rowsOf(query, await router.read(id, statement(query), call))
    },
    heardOf: async (facts, call) => {
      for (const group of await router.groups(facts, keyOf, call)) {
        const rows = group.map((fact) => [
          fact.order,
          fact.payment,
          fact.operation,
          fact.kind,
          fact.amountMinor,
          fact.currency,
          fact.at,
          fact.event,
        ])
        await router.writeAll(
          group.map(keyOf),
          [{ sql: insertSql, args: [JSON.stringify(rows)] }],
          call,
        )
      }
    },
  }
}
