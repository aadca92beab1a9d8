import type { Judge } from '../finding.ts'
import { wholeOf } from '../tolerance.ts'

/**
 * Levels and open reservations, keyed by what is in stock where. A level has `total`, `available`, `reserved`, `sold`; a
 * reservation `quantity`.
 *
 * Total is available + reserved + sold, and reserved is the sum of open reservations. What is reserved may be rebuilt
 * from the reservations as long as nothing becomes sellable by it; the rest is for somebody who counts.
 */
export const judgeStock: Judge = ({ key, entries: [levels = [], reservations = []] }) => {
  const [level] = levels
  const open = reservations.reduce((sum, entry) => sum + BigInt(wholeOf(entry, 'quantity')), 0n)
  const [total, available, reserved, sold] = ['total', 'available', 'reserved', 'sold'].map(
    (name) => BigInt(wholeOf(level, name)),
  ) as [bigint, bigint, bigint, bigint]
  if (total === available + reserved + sold && reserved === open) return []
  const sellable = total - sold - open
  const isSafe = level !== undefined && sellable >= 0n && sellable <= available
  return [
    {
      class: 'stock_drift',
      key,
      action: isSafe ? 'rebuild_reserved' : 'investigate',
      amount: 0,
      detail: { total, available, reserved, sold, open },
    },
  ]
}
