/**
 * Proves every day that records agree. `createReconciler` compares sorted sides and records each break once;
 * `createRepairer` mends what is safe within a budget; `createDesk` is for the rest, two persons at a time.
 */
export {
  type Entry,
  everything,
  type Fields,
  type FieldValue,
  keysetPages,
  type Side,
  type Span,
} from './entry.ts'
export { type Group, matchSides } from './match.ts'
export { UnsortedSideError } from './unsorted-side.ts'
export type { Look } from './watermark.ts'
export { differingFields, type FieldRules, isWithin, type Tolerance } from './tolerance.ts'
export {
  type Action,
  type BreakClass,
  breakId,
  canonicalFields,
  type Finding,
  type Judge,
} from './finding.ts'
export { type Policy, policyOf } from './policy.ts'
export { type Comparison, judgeKey } from './comparison.ts'

export { judgePayments, type PaymentRules } from './judges/payments.ts'
export { judgeStock } from './judges/stock.ts'
export { judgeSagas } from './judges/sagas.ts'
export { judgeDeliveries, judgeEvents } from './judges/events.ts'
export { judgeBalances, judgeCounts, judgeHotView } from './judges/counts.ts'
export { judgeTwins } from './judges/twins.ts'

export {
  createDigestTree,
  type Difference,
  differingSpans,
  type Digest,
  digestDdl,
  type Digested,
  type DigestNode,
  type DigestScope,
  type DigestSource,
  digestsOf,
  type DigestTree,
  writeDigest,
} from './digest.ts'

export { reconciliationDdl } from './ddl.ts'
export { createReconciler, type Reconciler, type RunOrder } from './reconciler.ts'
export {
  type Counts,
  type Run,
  runColumns,
  runsFrom,
  selectRun,
  StaleRunError,
} from './run-rows.ts'
export {
  discrepanciesFrom,
  type Discrepancy,
  discrepancyColumns,
  type DiscrepancyState,
  StaleDiscrepancyError,
} from './discrepancy.ts'
export type { Budget } from './budget.ts'
export {
  createRepairer,
  type Repairer,
  type RepairerDeps,
  type RepairOrder,
  type RepairSweep,
} from './repairer.ts'
export {
  type Ageing,
  createDesk,
  type Desk,
  type DeskPage,
  DiscrepancyStateError,
  type JournalEntry,
  SamePersonError,
} from './desk.ts'
export { type Drill, drillBreaks, type DrillOptions, type Injected } from './drill.ts'
