import type { Judge } from '../finding.ts'
import { toAmount, wholeOf } from '../tolerance.ts'

/** Saga states in which nothing of it may be held any more. */
const ended: ReadonlySet<unknown> = new Set(['done', 'cancelled'])

/**
 * Open tries and sagas, keyed by saga. A try has `amount`; a saga has `state` and `deadline`.
 *
 * A try is stuck when its saga has ended without it, or has not ended past its deadline. One whose saga is nowhere is
 * for a person: nobody has decided.
 */
export const judgeSagas: Judge = ({ key, entries: [tries = [], sagas = []] }, { horizon }) => {
  const [saga] = sagas
  if (tries.length === 0) return []
  const state = saga?.fields['state'] ?? null
  const isLate = Number(saga?.fields['deadline'] ?? 0) <= horizon
  if (saga !== undefined && !ended.has(state) && !isLate) return []
  return [
    {
      class: 'stuck_transaction',
      key,
      action: saga === undefined ? 'investigate' : 'finish_transaction',
      amount: tries.reduce((sum, entry) => sum + toAmount(wholeOf(entry, 'amount')), 0),
      detail: { state, tries: tries.length },
    },
  ]
}
