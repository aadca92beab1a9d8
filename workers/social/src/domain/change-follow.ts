import type { Call, Clock, Ids } from '@stoa/kernel'

import type { EdgeWish, GraphStore, Pair } from './ports.ts'

type Deps = { readonly graph: GraphStore; readonly ids: Ids; readonly clock: Clock }

/** A wish for the edge of `pair`: the edge and what is said of it live with the follower. */
export function wishOf(ids: Ids, { follower, followee }: Pair): EdgeWish {
  return { follower, followee, id: ids.child(follower), event: ids.child(follower) }
}

/** Begins or ends an edge; nothing happens, and nothing is said, when it is so already. One round trip. */
export async function changeFollow(
  { graph, ids, clock }: Deps,
  { active, ...pair }: Pair & { readonly active: boolean },
  call: Call,
): Promise<void> {
  await graph.change({ active, at: clock.now(), wishes: [wishOf(ids, pair)] }, call)
}
