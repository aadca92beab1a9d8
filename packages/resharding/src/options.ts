import type { Call, Clock, Random, SqlShard } from '@stoa/kernel'
import type { ShardInfo } from '@stoa/sharding'

import type { MoveProgress } from './job.ts'

/** Bounds of a move. Each has a default. */
export type MoveLimits = {
  /** Slots in one move: they are frozen together, and whoever writes to one waits for all. Default: 1,024. */
  readonly slots: number
  /** Rows, and bytes of their values, in one batch to the copy. Default: 500, and 1,000,000: a response has 10 MB. */
  readonly rows: number
  readonly bytes: number
  /** Rows in one chunk, about. Default: 20,000. */
  readonly chunkRows: number
  /** Chunks at once. Default: 4: six requests of a Worker may wait for headers. */
  readonly parallel: number
  /** Captured changes in one replay, and the most that a freeze may still have to replay. Default: 1,000. */
  readonly window: number
  /** Milliseconds until a freeze that is not done is lifted. Default: 2,000: the router waits 1.5 s. */
  readonly freezeMs: number
  /** Batches in one `advance`, so that it fits an invocation. Default: 200. */
  readonly batches: number
  /** Milliseconds that `run` waits after a failure, times the failures in a row. Default: 250. */
  readonly retryMs: number
  /** Rows copied, compared and cleaned a second. Default: as fast as it goes. */
  readonly maxRowsPerSecond: number
}

export const defaultLimits: MoveLimits = {
  slots: 1_024,
  rows: 500,
  bytes: 1_000_000,
  chunkRows: 20_000,
  parallel: 4,
  window: 1_000,
  freezeMs: 2_000,
  batches: 200,
  retryMs: 250,
  maxRowsPerSecond: Infinity,
}

export type MoverOptions = {
  /** The database that has `topology` and `reshard_job`. */
  readonly meta: SqlShard
  /** A client of a database of the keyspace. */
  open(shard: ShardInfo): SqlShard
  readonly clock: Clock
  /** Spreads coordinators over the chunks. */
  readonly random: Random
  /** Waits; a test owns the time. */
  sleep(ms: number, call: Call): Promise<void>
  /** Told of every bit of progress; must not throw. */
  progress?(event: MoveProgress): void
  readonly limits?: Partial<MoveLimits>
}
