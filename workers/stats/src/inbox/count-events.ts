import { type Call, slotOfId } from '@stoa/kernel'
import type { Effect, StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { incrementsOf } from '../domain/increments.ts'

/** One effect for each slot that the event's subjects lie in: an inbox row is known by its event and its slot. */
function effectsOf({ counters }: Pick<Deps, 'counters'>, event: StoaEvent): readonly Effect[] {
  const bySlot = Map.groupBy(incrementsOf(event), ({ subject }) => slotOfId(subject))
  return [...bySlot.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [counters.raise(event, [first, ...others])],
  )
}

/** Counts each event exactly once, however often and in whatever order events come. */
export async function countEvents(
  deps: Deps,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const effects = events.flatMap((event) => effectsOf(deps, event))
  await deps.inbox.apply(effects, call)
}
