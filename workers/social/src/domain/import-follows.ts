import type { Call, Clock, Ids } from '@stoa/kernel'

import { wishOf } from './change-follow.ts'
import type { GraphStore, Pair, ProfileStore } from './ports.ts'

export type FollowOutcome =
  | { readonly outcome: 'created' | 'exists' }
  | { readonly outcome: 'refused'; readonly code: 'member_not_found' | 'cannot_follow_self' }

type Deps = {
  readonly graph: GraphStore
  readonly profiles: ProfileStore
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Begins many edges, with the same events as one by one; repeated, it changes nothing. Two round trips, each over the
 * shards touched.
 *
 * @returns what became of each pair; of a pair that comes twice only the first can be `created`.
 */
export async function importFollows(
  { graph, profiles, ids, clock }: Deps,
  pairs: readonly Pair[],
  call: Call,
): Promise<readonly FollowOutcome[]> {
  const members = new Set(pairs.flatMap(({ follower, followee }) => [follower, followee]))
  const known = await profiles.known([...members], call)
  const wished = pairs.filter(
    ({ follower, followee }) => follower !== followee && known.has(follower) && known.has(followee),
  )
  const wishes = new Map(wished.map((pair) => [keyOf(pair), wishOf(ids, pair)]))
  const change = { active: true, at: clock.now(), wishes: [...wishes.values()] }
  const happened = await graph.change(change, call)
  return pairs.map((pair): FollowOutcome => {
    if (pair.follower === pair.followee) return { outcome: 'refused', code: 'cannot_follow_self' }
    if (!known.has(pair.follower) || !known.has(pair.followee)) {
      return { outcome: 'refused', code: 'member_not_found' }
    }
    const wish = wishes.get(keyOf(pair))
    wishes.delete(keyOf(pair))
    const isNew = wish !== undefined && happened.has(wish.event)
    return { outcome: isNew ? 'created' : 'exists' }
  })
}

function keyOf({ follower, followee }: Pair): string {
  return `${follower}|${followee}`
}
