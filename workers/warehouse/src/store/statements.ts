import type { Statement } from '@stoa/kernel'
import { insertEventWhen } from '@stoa/messaging'
import { ownerOf, writableStates } from '@stoa/sharding'

import type { Arrival, AskedCell, Release, Reserve, StockChange, Take } from '../domain/change.ts'

/** What a batch fails with when its cells do not lie beside each other any more. */
const cellsMoved = 'CELLS_MOVED'

export function isCellsMoved(error: unknown): boolean {
  return error instanceof Error && error.message.includes(cellsMoved)
}

const key = 'c.value ->> 0'
const state = ownerOf(key, 'state')

/**
 * Aborts the batch, unless this database may write each of the cells. The guard of the batch knows one of them; the
 * others may have moved since they were found to lie beside it. Of a frozen one it says what the guard would: wait.
 */
function fence(cells: string): Statement {
  return {
    sql: `SELECT json_extract('{}', CASE ${state} WHEN 'frozen'
  THEN 'SHARD_FENCED|' || (${key}) || '|' || ${ownerOf(key, 'epoch')} || '|frozen|' ELSE '${cellsMoved}' END) AS fenced
FROM json_each(?) AS c WHERE coalesce(${state} NOT IN ${writableStates}, 1)`,
    args: [cells],
  }
}

/** Cells as statements read them: of each `value` its key, its reservation's id and its movement's, by preference. */
function listOf(cells: readonly AskedCell[]): string {
  return JSON.stringify(
    cells.map(({ cell, reservation, movement }) => [cell, reservation, movement]),
  )
}

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

const undecided = 'NOT EXISTS (SELECT 1 FROM reservation WHERE id = ?)'

/**
 * The order of these statements is the protocol: `changes()` tells what the one just before did, and until the last
 * one there is a reservation at the first cell only when the order was decided there, or given up, before. The first
 * cell with enough is taken; the movement says which it was.
 */
function reserve(change: Reserve, now: number): readonly Statement[] {
  const { order, quantity, cells } = change
  const [list, first] = [listOf(cells), cells[0].reservation]
  return [
    fence(list),
    {
      sql: `INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at)
SELECT c.value ->> 2, s.product, s.version + 1, 'reserve', ?, ?, s.on_hand, s.reserved + ?, ?
FROM json_each(?) AS c CROSS JOIN stock AS s ON s.product = c.value ->> 0
WHERE s.on_hand - s.reserved >= ? AND ${undecided}
AND NOT EXISTS (SELECT 1 FROM reservation AS r WHERE r.id = c.value ->> 1)
ORDER BY c.key LIMIT 1`,
      args: [quantity, order, quantity, now, list, quantity, first],
    },
    {
      sql: `UPDATE stock SET reserved = reserved + ?, version = version + 1 WHERE changes() = 1
AND product = (SELECT m.product FROM json_each(?) AS c CROSS JOIN movement AS m ON m.id = c.value ->> 2)`,
      args: [quantity, list],
    },
    insertEventWhen(change.reserved, now, { sql: 'changes() = 1', args: [] }),
    insertEventWhen(change.otherwise, now, {
      sql: `changes() = 0 AND ${undecided}`,
      args: [first],
    }),
    {
      sql: `INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at)
SELECT c.value ->> 1, c.value ->> 0, ?, ?, CASE WHEN m.id IS NULL THEN 'refused' ELSE 'reserved' END, 1, ?
FROM json_each(?) AS c LEFT JOIN movement AS m ON m.id = c.value ->> 2
WHERE (m.id IS NOT NULL OR c.key = 0) AND ${undecided}`,
      args: [order, quantity, now, list, first],
    },
  ]
}

const heldHere = `FROM json_each(?) AS c CROSS JOIN reservation AS r ON r.id = c.value ->> 1 WHERE r.state = 'reserved'`

/**
 * Closes the cells at which the order may still ask: the entry where it has not asked yet, and all where it was sent on
 * without an end that is known here.
 */
function close(change: Release, now: number): Statement {
  const { order, quantity, cells, entry } = change
  const list = listOf(cells)
  return {
    sql: `INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at)
SELECT c.value ->> 1, c.value ->> 0, ?, ?, 'released', 1, ? FROM json_each(?) AS c
WHERE NOT EXISTS (SELECT 1 FROM reservation AS r WHERE r.id = c.value ->> 1) AND (c.value ->> 0 = ? OR (
  NOT EXISTS (SELECT 1 FROM json_each(?) AS e LEFT JOIN reservation AS r ON r.id = e.value ->> 1
    WHERE r.state IN ('reserved', 'released') OR (e.value ->> 0 = ? AND r.state IS NULL))
  AND NOT EXISTS (SELECT 1 FROM json_each(?) AS e CROSS JOIN outbox AS o ON o.okey = e.value ->> 1
    WHERE o.type = 'stock.refused')))`,
    args: [order, quantity, now, list, entry, list, entry, list],
  }
}

/** What was reserved counts, not what the event says. */
function release(change: Release, now: number): readonly Statement[] {
  const list = listOf(change.cells)
  return [
    fence(list),
    {
      sql: `INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at)
SELECT c.value ->> 2, s.product, s.version + 1, 'release', r.quantity, ?, s.on_hand, s.reserved - r.quantity, ?
FROM json_each(?) AS c CROSS JOIN reservation AS r ON r.id = c.value ->> 1 CROSS JOIN stock AS s ON s.product = r.product
WHERE r.state = 'reserved'`,
      args: [change.order, now, list],
    },
    {
      sql: `UPDATE stock SET reserved = reserved - (SELECT r.quantity ${heldHere}), version = version + 1
WHERE changes() = 1 AND product = (SELECT r.product ${heldHere})`,
      args: [list, list],
    },
    {
      sql: `UPDATE reservation SET state = 'released', version = version + 1, changed_at = ?
WHERE id = (SELECT r.id ${heldHere})`,
      args: [now, list],
    },
    close(change, now),
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
export function statementsOf(change: StockChange, now: number): readonly Statement[] {
  if (change.kind === 'reserve') return reserve(change, now)
  if (change.kind === 'release') return release(change, now)
  if (change.kind === 'take') return take(change, now)
  return arrive(change, now)
}
