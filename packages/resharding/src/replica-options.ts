import type { Call, Clock, SqlShard } from '@stoa/kernel'

/** Bounds of a feed. Each has a default. */
export type FeedLimits = {
  /** Rows, and bytes of their values, in one batch to the replica. Default: 500, and 1,000,000. */
  readonly rows: number
  readonly bytes: number
  /** Captured changes in one batch. Default: 1,000. */
  readonly window: number
  /** Pieces that are copied together, and become readable together. Default: 256. */
  readonly pieces: number
  /** Round trips in one `advance`, about, so that it fits an invocation. Default: 200. */
  readonly batches: number
  /** Milliseconds that `run` waits when the replica is level, and after a failure. Default: 500. */
  readonly everyMs: number
}

export const defaultFeedLimits: FeedLimits = {
  rows: 500,
  bytes: 1_000_000,
  window: 1_000,
  pieces: 256,
  batches: 200,
  everyMs: 500,
}

export type ReplicaFeedOptions = {
  readonly primary: SqlShard
  /** A database of the same schema, fenced, which owns nothing. Its name is what the primary knows it by. */
  readonly replica: SqlShard
  /** Says when the replica was level; compared with the clocks of those who read. */
  readonly clock: Clock
  /** Waits; a test owns the time. */
  sleep(ms: number, call: Call): Promise<void>
  readonly limits?: Partial<FeedLimits>
}

/**
 * What keeps a feed correct, one by one, so that a test can take each away and must notice. Production has all. Never
 * reachable from the package's index.
 */
export type FeedSafeguards = {
  /** The primary captures, and keeps, from before the first row is read. */
  readonly register: boolean
  /** A batch is written only over what it was made from. */
  readonly versionGuard: boolean
  /** What is replayed is read together with how far it reaches. */
  readonly oneSnapshot: boolean
  /** Changes of ownership are applied up to the snapshot that the rows are from, not only up to the window's end. */
  readonly ownersAhead: boolean
  /** Rows are copied only while no change of ownership is unknown. */
  readonly ownersKnown: boolean
  /** A piece that could not be read for a while is copied anew. */
  readonly gaps: boolean
  /** What lies in the way of a copied stretch goes first. */
  readonly sweep: boolean
  /** A piece is readable only when all of it is there. */
  readonly wholePieces: boolean
  /** A replica whose stream has a hole is copied anew. */
  readonly holes: boolean
}

export const allFeedSafeguards: FeedSafeguards = {
  register: true,
  versionGuard: true,
  oneSnapshot: true,
  ownersAhead: true,
  ownersKnown: true,
  gaps: true,
  sweep: true,
  wholePieces: true,
  holes: true,
}
