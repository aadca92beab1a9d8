import { report } from '@stoa/http'
import type { Call } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { fanOut, type FanOut } from '../domain/fan-out.ts'

function jobOf(event: StoaEvent): readonly FanOut[] {
  if (isOf(event, 'post.created')) {
    const { post: id, ...rest } = event.data
    return [{ event, post: { id, ...rest }, after: undefined }]
  }
  if (isOf(event, 'post.fanned_out')) {
    const { post: id, after, ...rest } = event.data
    return [{ event, post: { id, ...rest }, after }]
  }
  return []
}

/** Puts new posts into the timelines of the authors' followers. */
export async function hearPosts(
  deps: Deps,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const news = events.flatMap((event) =>
    isOf(event, 'post.created') ? [{ id: event.data.post, version: event.seq }] : [],
  )
  // A delivery is not refused for the cache: "there is none" is gone by itself before it would come again.
  const forgotten = deps.posts
    .heard(news, call)
    .catch((error: unknown) => report(error, call.requestId))
  await Promise.all([fanOut(deps, events.flatMap(jobOf), call), forgotten])
}
