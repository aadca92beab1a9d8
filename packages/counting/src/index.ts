/**
 * Massive counting. `createCounting` counts in the isolate and sends each flush once to a log; its drainer moves the logs
 * into the databases, exactly once; reads come from a hot view that heals itself. Unique members, leaderboards, windows
 * and cold pages beside it.
 */
export {
  type Counting,
  type CountingOptions,
  createCounting,
  type Deltas,
  type NowIncrement,
} from './counting.ts'
export type { Seen } from './seen.ts'
export { type Board, type Kind, type Metric, type Mode } from './kind.ts'
export { checkLog, type Log } from './logs.ts'
export type { Counts } from './reader.ts'
export type { Flushed } from './recorder.ts'
export type { Drainer, DrainReport } from './drainer.ts'
export type { Sweeper, SweepReport } from './sweeper.ts'
export type { Drift, EdgeCount, ReconcileOptions, Reconciler } from './reconcile.ts'
export type { Ranked } from './boards.ts'
export { type Point, type SeriesQuery, slidingSum } from './series.ts'
export type { CountRouter } from './store.ts'
export { countingMigration } from './schema.ts'
export { bucketCount, type Handle, handleOf, rowKeyOf, slotsPerBucket } from './subject.ts'
export { DeltaTable } from './delta-table.ts'
export { mergeSummaries, SpaceSaving, type Summary } from './space-saving.ts'
export {
  countOf,
  decodeSketch,
  emptySketch,
  encodeSketch,
  hashOfMember,
  sketchOf,
  unionOf,
  type UniqueCount,
  type UniqueSketch,
} from './unique.ts'
export { decodePage, encodePage, type PageEntries } from './page.ts'
export {
  BufferFullError,
  CounterOverflowError,
  ExpiredTokenError,
  InvalidIncrementError,
  LogEvictsError,
  SplitBucketError,
  UnknownMetricError,
  WrongModeError,
} from './faults.ts'
