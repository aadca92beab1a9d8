import type { Comparison } from '@stoa/reconciliation'

/** What happened in a keyspace lately, as its outbox has it. */
export type Change = {
  readonly event: string
  readonly aggregate: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A comparison, and how it learns what has changed. */
export type Plan = {
  readonly comparison: Comparison
  /** Absent: it is made over everything, once a day, or as often as it is sampled. */
  readonly changes?: {
    readonly keyspace: string
    readonly types: readonly string[]
    /** What its keys begin with that a change may have touched. */
    readonly keysOf: (change: Change) => readonly string[]
  }
  /** It takes a part of what there is, another one each hour, and is made as often. */
  readonly isSampled?: true
  /** It is also made of an order whose saga has just ended; of what is keyed by an order. */
  readonly isOfEnded?: true
}
