import type { Statement } from '@stoa/kernel'

const open = `(SELECT coalesce(sum(r.quantity), 0) FROM reservation AS r
  WHERE r.product = stock.product AND r.state = 'reserved')`

/**
 * Sets what is reserved of a cell to what its reservations come to at this very moment: a batch is alone in its database,
 * so no reservation can come between, and a repeat changes nothing. Units become sellable by it only where `mayFree`,
 * and never more are reserved than there are. It is no change of the cell but the mending of one, so it takes no
 * version: each of those has its row in the ledger.
 */
export function rebuildStatement(cell: string, mayFree: boolean): Statement {
  return {
    sql: `UPDATE stock SET reserved = ${open} WHERE product = ? AND reserved <> ${open} AND on_hand >= ${open}
AND (reserved < ${open} OR ? = 1)`,
    args: [cell, mayFree ? 1 : 0],
  }
}
