import type { Call, Clock, Ids } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'

import type { GraphStore, TimelineStore } from './ports.ts'
import type { Post } from './post.ts'

/** How many followers one event serves: the rest is another event's, so that no delivery runs out of time. */
export const readersMax = 500

/** A post to be put into timelines: from the first follower, or behind `after`. `event` says so. */
export type FanOut = {
  readonly event: StoaEvent
  readonly post: Post
  readonly after: string | undefined
}

type Deps = {
  readonly graph: Pick<GraphStore, 'readers'>
  readonly timelines: Pick<TimelineStore, 'add' | 'goOn'>
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Puts posts into the timelines of the authors' followers, a page of them for each event.
 *
 * The event that goes on is written when its page is done, so that dying before it only makes the page come again.
 */
export async function fanOut(
  { graph, timelines, ids, clock }: Deps,
  jobs: readonly FanOut[],
  call: Call,
): Promise<void> {
  const pages = await graph.readers(
    jobs.map(({ post, after }) => ({ author: post.author, page: { limit: readersMax, after } })),
    call,
  )
  const deliveries = jobs.map(({ post }, index) => ({ post, readers: pages[index] ?? [] }))
  await timelines.add(deliveries, call)
  const steps = jobs.flatMap(({ event, post }, index) => {
    const readers = pages[index] ?? []
    const after = readers.at(-1)
    if (readers.length < readersMax || after === undefined) return []
    const { id, author, text, createdAt } = post
    const next = newEvent(ids, 'post.fanned_out', {
      key: event.id,
      seq: 1,
      at: clock.now(),
      cause: event.id,
      data: { post: id, author, text, createdAt, after },
    })
    return [{ event, next }]
  })
  await timelines.goOn(steps, call)
}
