import type { Call } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'

/** Makes the profiles of members who have registered. */
export async function hearMembers(
  deps: Deps,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const members = events.flatMap((event) =>
    isOf(event, 'member.registered') ? [event.data.member] : [],
  )
  await deps.profiles.add(members, call)
}
