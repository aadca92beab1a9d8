import type { Entry } from '../entry.ts'
import type { Action, BreakClass, Judge } from '../finding.ts'
import { distance, isWithin, toAmount, type Tolerance, wholeOf } from '../tolerance.ts'

function sumOf(entries: readonly Entry[], field: string): bigint {
  return entries.reduce((sum, entry) => sum + BigInt(wholeOf(entry, field)), 0n)
}

type SumRule = {
  readonly class: BreakClass
  readonly action: Action
  /** What is counted is money. */
  readonly isMoney: boolean
  readonly tolerance: Tolerance
}

/** Two sides that say `value`: the parts, summed up where there are several, and the whole. */
function judgeSums({ class: name, action, isMoney, tolerance }: SumRule): Judge {
  return ({ key, entries: [parts = [], whole = []] }) => {
    const [sum, value] = [sumOf(parts, 'value'), sumOf(whole, 'value')]
    if (isWithin(sum, value, tolerance)) return []
    const amount = isMoney ? toAmount(distance(sum, value)) : 0
    return [{ class: name, key, action, amount, detail: { sum, value } }]
  }
}

/** Postings and balances, each with `value`, keyed by account, book and currency. A drift is a bug, and for a person. */
export const judgeBalances: Judge = judgeSums({
  class: 'balance_drift',
  action: 'investigate',
  isMoney: true,
  tolerance: {},
})

/**
 * What is counted and its counter, each with `value`, keyed by the counter: edges of the graph and followers, rows and
 * a total. Several entries of a side add up. The counter is set to the sum.
 */
export function judgeCounts(tolerance: Tolerance = {}): Judge {
  return judgeSums({ class: 'counter_drift', action: 'recount', isMoney: false, tolerance })
}

/**
 * Rows and their hot view in Redis, each with `value` and `seq`, keyed alike. What is not in the view is no break: it is
 * a cache. An older seq, or another value under the same, is; a newer one than the row's was written by nobody we know.
 */
export const judgeHotView: Judge = ({ key, entries: [rows = [], views = []] }) => {
  const [row] = rows
  const [view] = views
  if (view === undefined) return []
  const [seq, viewSeq] = [wholeOf(row, 'seq'), wholeOf(view, 'seq')]
  const [value, viewValue] = [wholeOf(row, 'value'), wholeOf(view, 'value')]
  const isSame = BigInt(seq) === BigInt(viewSeq)
  if (isSame && BigInt(value) === BigInt(viewValue)) return []
  return [
    {
      class: 'hot_view_drift',
      key,
      action: row !== undefined && viewSeq <= seq ? 'refill_hot_view' : 'investigate',
      amount: 0,
      detail: { seq, value, view_seq: viewSeq, view_value: viewValue },
    },
  ]
}
