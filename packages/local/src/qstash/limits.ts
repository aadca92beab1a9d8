/** What a plan of the real service allows, and what keeps the emulator's memory bounded. All sizes in bytes. */
export type Limits = {
  /** Largest body of one message. */
  readonly messageBytes: number
  /** Largest request to `/v2/batch`. */
  readonly batchBytes: number
  /** How much of a destination's reply is kept for callbacks, logs and the DLQ. */
  readonly responseBytes: number
  /** Bodies above this are dropped from the log once the message is done. */
  readonly logBodyBytes: number
  readonly logEntries: number
  readonly dlqEntries: number
  readonly dlqBytes: number
  readonly dlqRetentionMs: number
  /** Messages not yet delivered or failed; a publish beyond it is answered 429. */
  readonly pendingMessages: number
  readonly pendingBytes: number
  /** Deliveries under way at once, over all keys and queues. */
  readonly parallelism: number
  readonly queueParallelism: number
  readonly queues: number
  readonly urlGroups: number
  readonly endpoints: number
  readonly schedules: number
  readonly flowKeys: number
  readonly bulkActions: number
  readonly deduplicationIds: number
  readonly maxRetries: number
  readonly defaultRetries: number
  readonly maxDelayMs: number
  /** The longest a destination may take; `Upstash-Timeout` only shortens it. */
  readonly responseTimeoutMs: number
  /** A host name that does not resolve within this fails the attempt. */
  readonly lookupTimeoutMs: number
}

const minute = 60_000
const day = 24 * 60 * minute
const mib = 1024 * 1024

/** Pay-as-you-go: what the vendor's own client suites assume. */
export const payAsYouGo: Limits = {
  messageBytes: 10 * mib,
  batchBytes: 100 * mib,
  responseBytes: mib,
  logBodyBytes: 16 * 1024,
  logEntries: 10_000,
  dlqEntries: 10_000,
  dlqBytes: 256 * mib,
  dlqRetentionMs: 7 * day,
  pendingMessages: 1_000_000,
  pendingBytes: 1024 * mib,
  parallelism: 100,
  queueParallelism: 100,
  queues: 100,
  urlGroups: 100,
  endpoints: 100,
  schedules: 1000,
  flowKeys: 10_000,
  bulkActions: 1000,
  deduplicationIds: 1_000_000,
  maxRetries: 1000,
  defaultRetries: 3,
  maxDelayMs: 366 * day,
  responseTimeoutMs: 120 * minute,
  lookupTimeoutMs: 2000,
}

/** The free plan, for tests of a product that must live with it. @see https://upstash.com/pricing/qstash */
export const freePlan: Limits = {
  ...payAsYouGo,
  messageBytes: mib,
  maxDelayMs: 7 * day,
  responseTimeoutMs: 15 * minute,
  dlqRetentionMs: 3 * day,
  parallelism: 10,
  queueParallelism: 10,
  queues: 10,
  urlGroups: 1,
  schedules: 10,
}
