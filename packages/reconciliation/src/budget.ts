import { type Call, slotOfText, slotText, type Statement } from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import type { Discrepancy } from './discrepancy.ts'
import type { BreakClass } from './finding.ts'

/** What may be repaired of one class without a person, in any hour. */
export type Budget = {
  readonly perHour: number
  /** Minor units. A break that is worth more than this alone goes to a person at once. */
  readonly amountPerHour: number
}

const hourMs = 3_600_000

/** How many are asked for in one batch. */
export const grantsMax = 50

/**
 * Grants a repair its part of the budget of the hour that ends now, unless that is used up. Granted once, it stays
 * granted: a repair that begins again takes nothing more.
 */
function grant(
  slot: string,
  [wanted, budget, now]: readonly [Discrepancy, Budget, number],
): Statement {
  const { class: name, id, occurrence, amount } = wanted
  return {
    sql: `INSERT INTO repair_grant (slot, class, discrepancy, occurrence, amount, at)
SELECT ?, ?, ?, ?, ?, ? FROM (SELECT count(*) AS n, coalesce(sum(amount), 0) AS total FROM repair_grant
  WHERE slot = ? AND class = ? AND at > ?)
WHERE n + 1 <= ? AND total + ? <= ?
ON CONFLICT DO UPDATE SET amount = excluded.amount, at = excluded.at WHERE amount < excluded.amount`,
    args: [
      slot,
      name,
      id,
      occurrence,
      amount,
      now,
      slot,
      name,
      now - hourMs,
      budget.perHour,
      amount,
      budget.amountPerHour,
    ],
  }
}

/**
 * The ids of those, of one class and at most {@link grantsMax}, that may be repaired now. One round trip. A lost reply
 * costs nothing: ask again.
 */
export async function askBudget(
  keyspace: Pick<Router, 'write'>,
  {
    wanted,
    budget,
    now,
  }: { readonly wanted: readonly Discrepancy[]; readonly budget: Budget; readonly now: number },
  call: Call,
): Promise<ReadonlySet<string>> {
  const name: BreakClass | undefined = wanted[0]?.class
  if (name === undefined) return new Set()
  const slot = slotText(slotOfText(name))
  const granted: Statement = {
    sql: `SELECT discrepancy FROM repair_grant JOIN json_each(?) AS w
ON discrepancy = w.value ->> 0 AND occurrence = w.value ->> 1 AND amount >= w.value ->> 2 WHERE slot = ? AND class = ?`,
    args: [
      JSON.stringify(wanted.map(({ id, occurrence, amount }) => [id, occurrence, amount])),
      slot,
      name,
    ],
  }
  const statements = wanted.map((each) => grant(slot, [each, budget, now]))
  const answers = await keyspace.write(slotOfText(name), [...statements, granted], call)
  return new Set(answers.at(-1)?.rows.map(([id]) => String(id)))
}
