import type { Call } from '@stoa/kernel'
import type { Effect, StoaEvent } from '@stoa/messaging'

import type { Increment } from './increments.ts'

/** What the system's own events raised, exactly once each. */
export type Counters = {
  /** What was counted of each of `subjects`, in their order; empty when nothing was, or nobody has that id. */
  getMany(
    subjects: readonly string[],
    call: Call,
  ): Promise<readonly Readonly<Record<string, number>>[]>
  /** What `event` does to the slot that all the subjects of `increments` lie in. */
  raise(event: StoaEvent, increments: readonly [Increment, ...Increment[]]): Effect
}
