import type { Statement } from '@stoa/kernel'
import { insertEventWhen } from '@stoa/messaging'

import type { Arrival, Release, Reserve, StockChange } from '../domain/change.ts'

/** Writes the ledger row of the statement just before, when that has changed the stock. */
function record(
  { movement, product, ref }: { movement: string; product: string; ref: string },
  { type, quantity, now }: { type: string; quantity: Statement; now: number },
): Statement {
  return {
    sql: `INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at)
SELECT ?, product, version, ?, ${quantity.sql}, ?, on_hand, reserved, ? FROM stock
WHERE product = ? AND changes() = 1`,
    args: [movement, type, ...quantity.args, ref, now, product],
  }
}

/** A receipt may come before its product: whichever is first makes the row, and both count. */
function arrive(change: Arrival, now: number): readonly Statement[] {
  const { kind: type, product, quantity, movement } = change
  return [
    {
      sql: `INSERT INTO stock (product, on_hand, reserved, version)
SELECT ?, ?, 0, 1 WHERE NOT EXISTS (SELECT 1 FROM movement WHERE id = ?)
ON CONFLICT (product) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1`,
      args: [product, quantity, movement],
    },
    record(change, { type, quantity: { sql: '?', args: [quantity] }, now }),
  ]
}

/**
 * The order of these statements is the protocol: `changes()` tells what the one just before did, and until the last
 * one there is a reservation only when the order was decided, or given up, before.
 */
function reserve(change: Reserve, now: number): readonly Statement[] {
  const { product, order, quantity, reservation, movement } = change
  const undecided = 'NOT EXISTS (SELECT 1 FROM reservation WHERE id = ?)'
  return [
    {
      sql: `UPDATE stock SET reserved = reserved + ?, version = version + 1
WHERE product = ? AND on_hand - reserved >= ? AND ${undecided}`,
      args: [quantity, product, quantity, reservation],
    },
    record(
      { movement, product, ref: order },
      { type: 'reserve', quantity: { sql: '?', args: [quantity] }, now },
    ),
    insertEventWhen(change.reserved, now, { sql: 'changes() = 1', args: [] }),
    insertEventWhen(change.refused, now, {
      sql: `changes() = 0 AND ${undecided}`,
      args: [reservation],
    }),
    {
      sql: `INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at)
SELECT ?, ?, ?, ?, CASE WHEN EXISTS (SELECT 1 FROM movement WHERE id = ?) THEN 'reserved' ELSE 'refused' END, 1, ?
WHERE ${undecided}`,
      args: [reservation, product, order, quantity, movement, now, reservation],
    },
  ]
}

/** What was reserved counts, not what the event says; a row that is not there yet is written as released. */
function release(change: Release, now: number): readonly Statement[] {
  const { product, order, quantity, reservation, movement } = change
  const reserved = `(SELECT quantity FROM reservation WHERE id = ? AND state = 'reserved')`
  return [
    {
      sql: `UPDATE stock SET reserved = reserved - ${reserved}, version = version + 1
WHERE product = ? AND ${reserved} IS NOT NULL`,
      args: [reservation, product, reservation],
    },
    record(
      { movement, product, ref: order },
      { type: 'release', quantity: { sql: reserved, args: [reservation] }, now },
    ),
    {
      sql: `INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at)
VALUES (?, ?, ?, ?, 'released', 1, ?)
ON CONFLICT (id) DO UPDATE SET state = 'released', version = reservation.version + 1, changed_at = excluded.changed_at
WHERE reservation.state = 'reserved'`,
      args: [reservation, product, order, quantity, now],
    },
  ]
}

/** The statements that make `change`, once whatever was made before. They may share a batch with any others. */
export function statementsOf(change: StockChange, now: number): readonly Statement[] {
  if (change.kind === 'reserve') return reserve(change, now)
  if (change.kind === 'release') return release(change, now)
  return arrive(change, now)
}
