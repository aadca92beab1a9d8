import type { Statement } from '@stoa/kernel'
import { insertEventWhen } from '@stoa/messaging'

import type { Give } from '../domain/change.ts'

/** Takes units out of their cell if they are still free, once for each transfer, and says so. */
export function giveStatements(
  { transfer, from, to, quantity, moved }: Give,
  now: number,
): readonly Statement[] {
  return [
    {
      sql: `INSERT INTO transfer (cell, version, id, peer, quantity, balance_on_hand, balance_reserved, at)
SELECT product, version + 1, ?, ?, ?, on_hand - ?, reserved, ? FROM stock
WHERE product = ? AND on_hand - reserved >= ? AND NOT EXISTS (SELECT 1 FROM transfer WHERE id = ?)`,
      args: [transfer, to, -quantity, quantity, now, from, quantity, transfer],
    },
    {
      sql: `UPDATE stock SET on_hand = on_hand - ?, version = version + 1 WHERE product = ? AND changes() = 1`,
      args: [quantity, from],
    },
    insertEventWhen(moved, now, { sql: 'changes() = 1', args: [] }),
  ]
}
