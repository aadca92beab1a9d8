import { type Call } from '@stoa/kernel'
import { type Effect, isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { drainCounts } from '../domain/drain.ts'
import { incrementsOf } from '../domain/increments.ts'

/** One effect for each subject of the event: an inbox row is known by its event and its key. */
function effectsOf({ counters }: Pick<Deps, 'counters'>, event: StoaEvent): readonly Effect[] {
  const bySubject = Map.groupBy(incrementsOf(event), ({ subject }) => subject)
  return [...bySubject.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [counters.raise(event, [first, ...others])],
  )
}

/**
 * Counts each event exactly once, however often and in whatever order events come; then drains the logs when one says
 * that they hold something.
 */
export async function countEvents(
  deps: Deps,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const effects = events.flatMap((event) => effectsOf(deps, event))
  if (effects.length > 0) await deps.inbox.apply(effects, call)
  if (events.some((event) => isOf(event, 'counts.waiting'))) await drainCounts(deps, call)
}
