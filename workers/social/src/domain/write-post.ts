import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Answered, newEvent, type Once } from '@stoa/messaging'

import type { PostStore } from './ports.ts'
import { isTooLong, type Post, PostTooLongError } from './post.ts'

type Deps = { readonly posts: PostStore; readonly ids: Ids; readonly clock: Clock }

/** Writes a post, once for a key. One round trip. @throws PostTooLongError, KeyReusedError */
export async function writePost(
  { posts, ids, clock }: Deps,
  { once, author, text }: { readonly once: Once; readonly author: string; readonly text: string },
  call: Call,
): Promise<Answered<Post>> {
  if (isTooLong(text)) throw new PostTooLongError()
  const createdAt = clock.now()
  const post = { id: ids.child(author), author, text, createdAt }
  const created = newEvent(ids, 'post.created', {
    key: post.id,
    seq: 1,
    at: createdAt,
    cause: call.requestId,
    data: { post: post.id, author, text, createdAt },
  })
  return posts.create({ once, post, events: [created] }, call)
}
