import { social } from '@stoa/contracts/social'
import type { Service } from '@stoa/http'
import { type Call, idFromTimeKey, parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { PostNotFoundError } from '../domain/post.ts'
import { type Reply, ReplyNotFoundError } from '../domain/reply.ts'
import { writeReply } from '../domain/write-reply.ts'
import { pageOf, readPage } from './page.ts'

function present({ id, post, author, text, createdAt }: Reply) {
  return {
    id: typedId('rpl', id),
    post: typedId('pst', post),
    author: typedId('usr', author),
    text,
    createdAt: new Date(createdAt).toISOString(),
  }
}

/** A post is never deleted, so that what is true beside another read stays true. */
async function mustBeThere({ posts }: Deps, post: string, call: Call): Promise<void> {
  if ((await posts.get(post, call)) === undefined) throw new PostNotFoundError()
}

export function serveReplies(service: Service, deps: Deps): void {
  service.serve(social.createReply, async ({ params, body }, context) => {
    const post = parseTypedId('pst', params.post)
    const [author, once] = await Promise.all([
      context.member(),
      context.once(),
      mustBeThere(deps, post, context.call),
    ])
    const draft = { once, post, author, text: body.text }
    const { reply, replayed } = await writeReply(deps, draft, context.call)
    if (replayed) context.replayed()
    return present(reply)
  })

  service.serve(social.replies, async ({ params, query }, { call }) => {
    const post = parseTypedId('pst', params.post)
    const [replies] = await Promise.all([
      deps.replies.list(post, readPage(query, { by: 'time' }), call),
      mustBeThere(deps, post, call),
    ])
    return pageOf(replies, query.limit, { idOf: ({ timeKey }) => idFromTimeKey(timeKey), present })
  })

  service.serve(social.getReply, async ({ params }, { call }) => {
    const post = parseTypedId('pst', params.post)
    const reply = await deps.replies.get(post, parseTypedId('rpl', params.reply), call)
    if (reply === undefined) throw new ReplyNotFoundError()
    return present(reply)
  })
}
