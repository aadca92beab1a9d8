import type { Statement } from '@stoa/kernel'

import type { Arrival, StockChange, Take } from '../domain/change.ts'

/** A receipt may come before its product: whichever is first makes the row, and both count. */
function arrive(change: Arrival, now: number): readonly Statement[] {
  const { kind, product, quantity, movement, ref } = change
  return [
    {
      sql: `INSERT INTO stock (product, on_hand, reserved, version)
SELECT ?, ?, 0, 1 WHERE NOT EXISTS (SELECT 1 FROM movement WHERE id = ?)
ON CONFLICT (product) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1`,
      args: [product, quantity, movement],
    },
    {
      sql: `INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at)
SELECT ?, product, version, ?, ?, ?, on_hand, reserved, ? FROM stock WHERE product = ? AND changes() = 1`,
      args: [movement, kind, quantity, ref, now, product],
    },
  ]
}

/** Writes the half of a transfer that the statement just before made, when it did. */
function recordTaking({ transfer, from, to, quantity }: Take, now: number): Statement {
  return {
    sql: `INSERT INTO transfer (cell, version, id, peer, quantity, balance_on_hand, balance_reserved, at)
SELECT product, version, ?, ?, ?, on_hand, reserved, ? FROM stock WHERE product = ? AND changes() = 1`,
    args: [transfer, from, quantity, now, to],
  }
}

function take(change: Take, now: number): readonly Statement[] {
  const { transfer, to, quantity } = change
  return [
    {
      sql: `INSERT INTO stock (product, on_hand, reserved, version)
SELECT ?, ?, 0, 1 WHERE NOT EXISTS (SELECT 1 FROM transfer WHERE id = ?)
ON CONFLICT (product) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1`,
      args: [to, quantity, transfer],
    },
    recordTaking(change, now),
  ]
}

/** The statements that make `change`, once whatever was made before. They may share a batch with any others. */
export function arrivalStatements(change: StockChange, now: number): readonly Statement[] {
  return change.kind === 'take' ? take(change, now) : arrive(change, now)
}
