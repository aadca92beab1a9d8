import type { Call } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { hearFollows } from './follows.ts'
import { hearMembers } from './members.ts'
import { hearPosts } from './posts.ts'

const families = [hearMembers, hearFollows, hearPosts] as const

/** Applies the events of a delivery, family by family; one that fails does not stop the others. @throws the first failure */
export async function hear(deps: Deps, events: readonly StoaEvent[], call: Call): Promise<void> {
  const failures: unknown[] = []
  for (const family of families) {
    await family(deps, events, call).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}
