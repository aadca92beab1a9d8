import type { Statement } from '@stoa/kernel'

import type { Cancellation, Order } from '../domain/order.ts'
import { underWay } from './placement-rows.ts'

function cancellationOf({ id, cancellation }: Order): Cancellation {
  if (cancellation === undefined) throw new Error(`Cannot cancel order "${id}": nobody asked`)
  return cancellation
}

/**
 * Writes that an order is to be cancelled; stops the batch at `order_head.version` while what placed it has not ended,
 * and at `order_cancellation.saga` when somebody else is at it or was.
 */
export function askStatements(order: Order, cause: string): readonly Statement[] {
  const { saga, by, askedAt } = cancellationOf(order)
  return [
    {
      sql: `UPDATE order_head SET version = CASE WHEN state = 'confirmed' AND EXISTS (
  SELECT 1 FROM saga WHERE saga.id = order_head.id AND saga.state = 'done') THEN version END WHERE id = ?`,
      args: [order.id],
    },
    {
      sql: `INSERT INTO order_cancellation (order_id, saga, state, asked_by, asked_at, cause)
VALUES (?, ?, 'pending', ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET
  saga = CASE WHEN order_cancellation.state = 'refused' THEN excluded.saga END, state = 'pending',
  asked_by = excluded.asked_by, code = NULL, asked_at = excluded.asked_at, decided_at = NULL, cause = excluded.cause`,
      args: [order.id, saga, by, askedAt, cause],
    },
  ]
}

/** Keeps `order` as the answer under the key of its cancellation, unless there is one: the first stays. */
function keepAnswer(order: Order): Statement {
  const { saga } = cancellationOf(order)
  return {
    sql: 'UPDATE idempotency SET response = ? WHERE slot = ? AND response = ?',
    args: [JSON.stringify(order), order.id, JSON.stringify(underWay(saga))],
  }
}

/** A cancellation that waits for a participant. */
export function keepPending(order: Order): readonly Statement[] {
  return [keepAnswer(order)]
}

/** The decided cancellation; stops the batch when it was decided before. */
export function endStatements(order: Order, cause: string): readonly Statement[] {
  const { saga, state, code, decidedAt } = cancellationOf(order)
  return [
    {
      sql: `UPDATE order_cancellation SET state = CASE WHEN state = 'pending' AND saga = ? THEN ? END, code = ?,
  decided_at = ?, cause = ? WHERE order_id = ?`,
      args: [saga, state, code, decidedAt, cause, order.id],
    },
    keepAnswer(order),
  ]
}
