import type { Call } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { mirrorFollows } from '../domain/mirror-follows.ts'
import type { EdgeNews } from '../domain/ports.ts'

function newsOf(event: StoaEvent): readonly EdgeNews[] {
  const { seq: version, at } = event
  if (isOf(event, 'member.followed')) return [{ ...event.data, version, at, active: true }]
  if (isOf(event, 'member.unfollowed')) return [{ ...event.data, version, at, active: false }]
  return []
}

/** Brings the followees' side of edges up to date. */
export async function hearFollows(
  deps: Deps,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  await mirrorFollows(deps, events.flatMap(newsOf), call)
}
