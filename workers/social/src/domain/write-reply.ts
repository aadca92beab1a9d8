import { type Call, type Clock, type Ids, timeKey } from '@stoa/kernel'
import { type Answered, newEvent, type Once, scopeOf } from '@stoa/messaging'

import { inLane, laneOf } from './lane.ts'
import type { ReplyStore } from './ports.ts'
import { isTooLong } from './post.ts'
import { type Reply, ReplyTooLongError } from './reply.ts'

type Deps = { readonly replies: ReplyStore; readonly ids: Ids; readonly clock: Clock }

/**
 * Writes a reply to a post that is there, once for a key, in the lane that the key chooses: so a retry asks where the
 * first try wrote, wherever the lane is by then. One round trip.
 *
 * @throws ReplyTooLongError, KeyReusedError
 */
export async function writeReply(
  { replies, ids, clock }: Deps,
  draft: {
    readonly once: Once
    readonly post: string
    readonly author: string
    readonly text: string
  },
  call: Call,
): Promise<Answered<Reply>> {
  const { once, post, author, text } = draft
  if (isTooLong(text)) throw new ReplyTooLongError()
  const lane = laneOf(scopeOf(once))
  const inTime = ids.child(post)
  const createdAt = clock.now()
  const id = inLane(inTime, lane)
  const reply = { id, post, author, text, createdAt, timeKey: timeKey(inTime) }
  const created = newEvent(ids, 'reply.created', {
    key: id,
    seq: 1,
    at: createdAt,
    cause: call.requestId,
    data: { reply: id, post, author, createdAt },
  })
  return replies.create({ once, key: inLane(post, lane), reply, events: [created] }, call)
}
