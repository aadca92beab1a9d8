import type { Rows, Statement } from '@stoa/kernel'
import { ownerOf, writableStates } from '@stoa/sharding'

import type { AskedBranch, Reservation } from '../domain/branch.ts'
import type { AskedCell } from '../domain/change.ts'

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

/** When an operation of a branch happens, and under which condition: that of its barrier, where it has one. */
export type BranchTurn = { readonly gate: Statement; readonly now: number }

const undecided = 'NOT EXISTS (SELECT 1 FROM reservation WHERE id = ?)'
const taken =
  'SELECT t.product FROM json_each(?) AS e CROSS JOIN movement AS t ON t.id = e.value ->> 2'

/**
 * The order of these statements is the protocol: `changes()` tells what the one just before did, and until the last
 * one there is a reservation at the first cell only when the order was decided there, or given up, before. The first
 * cell with enough is taken; the movement says which it was.
 */
function reserve(branch: AskedBranch, { gate, now }: BranchTurn): readonly Statement[] {
  const { order, quantity, cells, next = null } = branch
  const [list, first] = [listOf(cells), cells[0].reservation]
  return [
    {
      sql: `INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at)
SELECT c.value ->> 2, s.product, s.version + 1, 'reserve', ?, ?, s.on_hand, s.reserved + ?, ?
FROM json_each(?) AS c CROSS JOIN stock AS s ON s.product = c.value ->> 0
WHERE s.on_hand - s.reserved >= ? AND ${undecided} AND ${gate.sql}
ORDER BY c.key LIMIT 1`,
      args: [quantity, order, quantity, now, list, quantity, first, ...gate.args],
    },
    {
      sql: `UPDATE stock SET reserved = reserved + ?, version = version + 1 WHERE changes() = 1
AND product = (SELECT m.product FROM json_each(?) AS c CROSS JOIN movement AS m ON m.id = c.value ->> 2)`,
      args: [quantity, list],
    },
    {
      sql: `INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at, next)
SELECT c.value ->> 1, c.value ->> 0, ?, ?, CASE WHEN m.id IS NULL THEN 'refused' ELSE 'reserved' END, 1, ?,
  CASE WHEN m.id IS NULL THEN coalesce((${taken}), ?) END
FROM json_each(?) AS c LEFT JOIN movement AS m ON m.id = c.value ->> 2
WHERE (m.id IS NOT NULL OR c.key = 0) AND ${undecided} AND ${gate.sql}`,
      args: [order, quantity, now, list, next, list, first, ...gate.args],
    },
  ]
}

const heldHere = `FROM json_each(?) AS c CROSS JOIN reservation AS r ON r.id = c.value ->> 1 WHERE r.state = 'reserved'`

/** Where there is no barrier, what comes late finds a reservation that is released already. */
function close({ order, quantity, cells }: AskedBranch, now: number): Statement {
  const [{ cell, reservation }] = cells
  return {
    sql: `INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at)
SELECT ?, ?, ?, ?, 'released', 1, ? WHERE ${undecided}`,
    args: [reservation, cell, order, quantity, now, reservation],
  }
}

/** What was reserved counts, not what the request says. */
function release(branch: AskedBranch, { gate, now }: BranchTurn): readonly Statement[] {
  const list = listOf(branch.cells)
  return [
    {
      sql: `INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at)
SELECT c.value ->> 2, s.product, s.version + 1, 'release', r.quantity, ?, s.on_hand, s.reserved - r.quantity, ?
FROM json_each(?) AS c CROSS JOIN reservation AS r ON r.id = c.value ->> 1 CROSS JOIN stock AS s ON s.product = r.product
WHERE r.state = 'reserved' AND ${gate.sql}`,
      args: [branch.order, now, list, ...gate.args],
    },
    {
      sql: `UPDATE stock SET reserved = reserved - (SELECT r.quantity ${heldHere}), version = version + 1
WHERE changes() = 1 AND product = (SELECT r.product ${heldHere})`,
      args: [list, list],
    },
    {
      sql: `UPDATE reservation SET state = 'released', version = version + 1, changed_at = ?
WHERE id = (SELECT r.id ${heldHere}) AND ${gate.sql}`,
      args: [now, list, ...gate.args],
    },
    ...(branch.isEntry ? [] : [close(branch, now)]),
  ]
}

function confirm({ cells }: AskedBranch, { gate, now }: BranchTurn): readonly Statement[] {
  return [
    {
      sql: `UPDATE reservation SET confirmed_at = ?, version = version + 1, changed_at = ?
WHERE id = (SELECT r.id ${heldHere}) AND confirmed_at IS NULL AND ${gate.sql}`,
      args: [now, now, listOf(cells), ...gate.args],
    },
  ]
}

const operations = { try: reserve, confirm, cancel: release } as const

/** The statements of one operation at cells of one database. The last gives what {@link reservationsFrom} reads. */
export function branchStatements(branch: AskedBranch, turn: BranchTurn): readonly Statement[] {
  const list = listOf(branch.cells)
  return [
    fence(list),
    ...operations[branch.op](branch, turn),
    {
      sql: `SELECT r.product AS cell, r.state AS state, r.next AS next
FROM json_each(?) AS c CROSS JOIN reservation AS r ON r.id = c.value ->> 1`,
      args: [list],
    },
  ]
}

/** The reservations of an order, by cell. */
export function reservationsFrom(found: Rows | undefined): ReadonlyMap<string, Reservation> {
  return new Map(
    (found?.rows ?? []).map(([cell, is, next]) => [
      String(cell),
      {
        // The schema knows no other states.
        state: String(is) as Reservation['state'],
        next: next === null || next === undefined ? undefined : String(next),
      },
    ]),
  )
}
