import type { Call } from '@stoa/kernel'

import type { EdgeNews, GraphStore, TimelineStore } from './ports.ts'

/** How many of the newest posts a new follower is shown at once. */
const backfillMax = 20

type Deps = { readonly graph: GraphStore; readonly timelines: TimelineStore }

/**
 * Brings the followees' side up to events that may come twice, late and in any order, then fills the timelines of
 * those who follow anew.
 *
 * The posts are read in the batch that writes the twin. A fan-out that reads the followers before it misses this one,
 * but its post is already there to be read; one that reads them after it finds the follower: no post falls between.
 *
 * The filling is repeated with the event, not bound to the twin's change: else dying between the two would lose it.
 */
export async function mirrorFollows(
  { graph, timelines }: Deps,
  news: readonly EdgeNews[],
  call: Call,
): Promise<void> {
  const edges = newestOf(news)
  const posts = await graph.mirror({ edges, postsMax: backfillMax }, call)
  const followers = Map.groupBy(
    edges.filter(({ active }) => active),
    ({ followee }) => followee,
  )
  const deliveries = posts.map((post) => ({
    post,
    readers: (followers.get(post.author) ?? []).map(({ follower }) => follower),
  }))
  await timelines.add(deliveries, call)
}

/** The newest of what is said of each edge: what came before it can no longer matter. */
export function newestOf(news: readonly EdgeNews[]): readonly EdgeNews[] {
  const newest = new Map<string, EdgeNews>()
  for (const each of news) {
    const key = `${each.follower}|${each.followee}`
    const known = newest.get(key)
    if (known === undefined || known.version < each.version) newest.set(key, each)
  }
  return [...newest.values()]
}
