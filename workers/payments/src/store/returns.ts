import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { Random, Statement } from '@stoa/kernel'
import { createBranches } from '@stoa/transactions'

import type { ReturnBranch, ReturnStore } from '../domain/ports.ts'
import { faultOfWish } from './broken-rule.ts'
import { paymentsOfOrderMax } from './select-payments.ts'

/** What of a payment can be given back, and is not asked for, by how. */
const rests = {
  void: 'p.authorised_minor - p.captured_minor - p.capturing_minor - p.voided_minor - p.voiding_minor',
  refund: 'p.captured_minor - p.refunded_minor - p.refunding_minor - p.charged_back_minor',
} as const

/** How often a rest can be asked back: each capture that was under way may leave one more. */
const nameOf = (kind: keyof typeof rests) => `return-${kind}-`

/** Where the barrier of an order's return lies; captures of its payments look there. */
function placeOf({ order, gid, branch }: ReturnBranch) {
  return { key: order, gid, branch }
}

/** Asks for what is held of all payments of an order; a rest that the provider refused is not asked for again. */
function askRest(
  order: string,
  kind: keyof typeof rests,
  { at, cause }: { readonly at: number; readonly cause: string },
): Statement {
  const [rest, name] = [rests[kind], nameOf(kind)]
  return {
    sql: `INSERT INTO payment_operation (payment, name, kind, phase, stage, amount_minor, at, cause)
SELECT p.id, ? || (SELECT count(*) + 1 FROM payment_operation AS o WHERE o.payment = p.id AND o.stage = 0
  AND o.name GLOB ? || '*'), ?, 'requested', 0, ${rest}, ?, ? FROM payment AS p WHERE p.order_id = ? AND ${rest} > 0
AND NOT EXISTS (SELECT 1 FROM payment_operation AS o WHERE o.payment = p.id AND o.phase = 'failed' AND o.name GLOB ? || '*')`,
    args: [name, name, kind, at, cause, order, name],
  }
}

const refusedOf = (kind: keyof typeof rests) => `CASE WHEN ${rests[kind]} > 0 THEN (
    SELECT coalesce(o.code, 'refused') FROM payment_operation AS o WHERE o.payment = p.id AND o.phase = 'failed'
      AND o.name GLOB '${nameOf(kind)}*' LIMIT 1) END`

const leftSql = `SELECT p.id AS payment,
  ${rests.void} > 0 OR ${rests.refund} > 0 OR p.open_since IS NOT NULL AS held,
  coalesce(${refusedOf('void')}, ${refusedOf('refund')}) AS refused
FROM payment AS p WHERE p.order_id = ? ORDER BY p.id LIMIT ${paymentsOfOrderMax}`

export function returnStore({
  access: { router, clock },
  random,
}: {
  readonly access: KeyspaceAccess
  readonly random: Random
}): ReturnStore {
  const branches = createBranches({ keyspace: router, clock, random })
  return {
    hold: (branch, call) => branches.run({ ...placeOf(branch), op: 'try' }, () => [], call),
    let: (branch, call) => branches.run({ ...placeOf(branch), op: 'cancel' }, () => [], call),
    askBack: async (branch, call) => {
      // No gate: what is asked for is no rest any more, and a repeat asks for what has been taken since.
      const work = (_gate: Statement, at: number) =>
        (['void', 'refund'] as const).map((kind) =>
          askRest(branch.order, kind, { at, cause: branch.gid }),
        )
      await branches.run({ ...placeOf(branch), op: 'confirm' }, work, call)
    },
    left: async (order, call) => {
      const { rows } = await router.read(order, { sql: leftSql, args: [order] }, call)
      return rows.map(([payment, held, refused]) => ({
        payment: String(payment),
        isHeld: Number(held) === 1,
        refused: typeof refused === 'string' ? refused : null,
      }))
    },
    askRefund: async ({ payment, name, amountMinor }, cause, call) => {
      const sql = `INSERT INTO payment_operation (payment, name, kind, phase, stage, amount_minor, at, cause)
SELECT ?, ?, 'refund', 'requested', 0, ?, ?, ? WHERE NOT EXISTS (
  SELECT 1 FROM payment_operation WHERE payment = ? AND name = ?)`
      const args = [payment, name, amountMinor, clock.now(), cause, payment, name]
      await router.write(payment, [{ sql, args }], call).catch((error: unknown) => {
        throw faultOfWish(error)
      })
    },
    endOf: async (payment, name, call) => {
      const sql =
        'SELECT phase, code FROM payment_operation WHERE payment = ? AND name = ? AND stage = 2'
      const { rows } = await router.read(payment, { sql, args: [payment, name] }, call)
      const [row] = rows
      if (row === undefined) return undefined
      return { phase: String(row[0]), code: typeof row[1] === 'string' ? row[1] : null }
    },
  }
}
