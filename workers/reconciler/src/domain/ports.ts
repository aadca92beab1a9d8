import type { Call } from '@stoa/kernel'
import type { Ageing, BreakClass, Discrepancy, DiscrepancyState, Run } from '@stoa/reconciliation'

export type RunList = {
  /** One round trip. */
  get(id: string, call: Call): Promise<Run | undefined>
  /** Newest first. One round trip to each shard. */
  list(
    page: { readonly before: Pick<Run, 'startedAt' | 'id'> | undefined; readonly limit: number },
    call: Call,
  ): Promise<readonly Run[]>
}

/** Which discrepancies are wanted: those that are open, and as said. */
export type DiscrepancyFilter = {
  readonly class?: BreakClass | undefined
  readonly state?: DiscrepancyState | undefined
  readonly comparison?: string | undefined
  readonly assignee?: string | undefined
  /** First seen at or before, in milliseconds since 1970. */
  readonly seenBefore?: number | undefined
}

export type DiscrepancyList = {
  /** Oldest first, open ones; closed ones when that state is asked for. One round trip to each shard. */
  list(
    filter: DiscrepancyFilter,
    page: {
      readonly after: Pick<Discrepancy, 'firstSeenAt' | 'id'> | undefined
      readonly limit: number
    },
    call: Call,
  ): Promise<readonly Discrepancy[]>
  /** One round trip to each shard. */
  ageing(call: Call): Promise<readonly Ageing[]>
}
