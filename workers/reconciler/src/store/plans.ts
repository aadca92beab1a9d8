import type { Call, Clock, RedisPort } from '@stoa/kernel'

import type { Source } from '../domain/money.ts'
import type { Plan } from '../domain/plan.ts'
import { deliveriesPlan } from './comparisons/deliveries.ts'
import { eventsPlans } from './comparisons/events.ts'
import { countedPostsPlan, profilePlans, twinsPlans } from './comparisons/graph.ts'
import { hotViewPlans } from './comparisons/hot-view.ts'
import { indexPlans } from './comparisons/indexes.ts'
import { ledgerPlans } from './comparisons/ledger.ts'
import { deadlinesPlan, ordersPlan, triesPlans } from './comparisons/orders.ts'
import { statementPlan } from './comparisons/statement.ts'
import { stockPlan } from './comparisons/stock.ts'
import type { Reader, ReaderOf } from './pages.ts'

/** Everything that is compared, money first. */
export function plansOf(deps: {
  readonly readerOf: ReaderOf
  /** The reconciler's own keyspace, for what its feeds have brought. */
  readonly own: Reader
  /** The database of the hot view. */
  readonly hot: Pick<RedisPort, 'run'>
  readonly clock: Clock
  readonly completeTo: (source: Source, call: Call) => Promise<number>
}): readonly Plan[] {
  const { own, clock, completeTo } = deps
  return [
    ordersPlan(deps),
    statementPlan({ reader: own, clock, completeTo }),
    ...ledgerPlans(deps),
    ...triesPlans(deps),
    deadlinesPlan('orders', deps),
    deadlinesPlan('payments', deps),
    stockPlan(deps),
    ...eventsPlans(deps),
    deliveriesPlan(deps),
    ...twinsPlans(deps),
    ...profilePlans(deps),
    countedPostsPlan(deps),
    ...indexPlans(deps),
    ...hotViewPlans(deps),
  ]
}
