import { Fault } from '@stoa/kernel'

/** A kind, a metric, a board or a stage that nobody declared. */
export class UnknownMetricError extends Fault {
  override readonly name = 'UnknownMetricError'
  override readonly code = 'unknown_metric'
  override readonly kind = 'invalid_argument'
  readonly metric: string

  constructor(metric: string) {
    super(`Cannot count "${metric}": it is not declared`)
    this.metric = metric
  }
}

/** A number that is not whole, not exact, or negative where the metric only grows. Nothing was counted. */
export class InvalidIncrementError extends Fault {
  override readonly name = 'InvalidIncrementError'
  override readonly code = 'invalid_increment'
  override readonly kind = 'invalid_argument'
  readonly metric: string

  constructor(metric: string, by: number, why: string) {
    super(`Cannot add ${by} to "${metric}": ${why}`)
    this.metric = metric
  }
}

/** A counter would pass 2^53 - 1, beyond which sums are not exact. Nothing was counted. */
export class CounterOverflowError extends Fault {
  override readonly name = 'CounterOverflowError'
  override readonly code = 'counter_overflow'
  override readonly kind = 'failed_precondition'
  readonly metric: string

  constructor(metric: string, options?: ErrorOptions) {
    super(`Cannot add to "${metric}": it would pass 2^53 - 1`, options)
    this.metric = metric
  }
}

/** The isolate holds all that it may, because its log takes nothing. The increment was not counted. */
export class BufferFullError extends Fault {
  override readonly name = 'BufferFullError'
  override readonly code = 'buffer_full'
  override readonly kind = 'resource_exhausted'
  override readonly retryable = true
  override readonly retryAfterMs = 1_000

  constructor(log: string) {
    super(`Cannot count now: the buffer for log "${log}" is full`)
  }
}

/** A kind was asked for something that its mode does not promise. */
export class WrongModeError extends Fault {
  override readonly name = 'WrongModeError'
  override readonly code = 'wrong_mode'
  override readonly kind = 'failed_precondition'

  constructor(kind: string, why: string) {
    super(`Cannot do that with kind "${kind}": ${why}`)
  }
}

/** The slots of one bucket are in two shards, so its increments cannot commit with their dedupe rows. Nothing was written. */
export class SplitBucketError extends Fault {
  override readonly name = 'SplitBucketError'
  override readonly code = 'split_bucket'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  readonly bucket: number

  constructor(bucket: number) {
    super(`Cannot drain bucket ${bucket}: its slots are in different shards`)
    this.bucket = bucket
  }
}

/** A log's database may evict, and would lose increments that were acknowledged. */
export class LogEvictsError extends Fault {
  override readonly name = 'LogEvictsError'
  override readonly code = 'log_evicts'
  override readonly kind = 'failed_precondition'
  readonly log: string
  readonly policy: string

  constructor(log: string, policy: string) {
    super(`Cannot use database "${log}" as a log: it evicts (${policy})`)
    this.log = log
    this.policy = policy
  }
}

/** The token of an increment is none, or so old that nobody knows any more whether it was counted. Nothing was counted. */
export class ExpiredTokenError extends Fault {
  override readonly name = 'ExpiredTokenError'
  override readonly code = 'expired_token'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot count: the token is no token, or older than a day')
  }
}
