import type { Call } from '@stoa/kernel'
import type { Effect, StoaEvent } from '@stoa/messaging'

import type { Increment } from './increments.ts'

export type Counters = {
  /** What was counted of `subject`; empty when nothing was, or nobody has that id. */
  get(subject: string, call: Call): Promise<Readonly<Record<string, number>>>
  /** What `event` does to the slot that all the subjects of `increments` lie in. */
  raise(event: StoaEvent, increments: readonly [Increment, ...Increment[]]): Effect
}
