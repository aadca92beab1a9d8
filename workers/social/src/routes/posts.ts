import { social } from '@stoa/contracts/social'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { MemberNotFoundError } from '../domain/member.ts'
import { type Post, PostNotFoundError } from '../domain/post.ts'
import { writePost } from '../domain/write-post.ts'
import { pageOf, readPage } from './page.ts'

function present({ id, author, text, createdAt }: Post) {
  return {
    id: typedId('pst', id),
    author: typedId('usr', author),
    text,
    createdAt: new Date(createdAt).toISOString(),
  }
}

export function servePosts(service: Service, deps: Deps): void {
  service.serve(social.createPost, async ({ body }, context) => {
    const [author, once] = await Promise.all([context.member(), context.once()])
    const { reply, replayed } = await writePost(
      deps,
      { once, author, text: body.text },
      context.call,
    )
    if (replayed) context.replayed()
    return present(reply)
  })

  service.serve(social.getPost, async ({ params }, { call }) => {
    const post = await deps.posts.get(parseTypedId('pst', params.post), call)
    if (post === undefined) throw new PostNotFoundError()
    return present(post)
  })

  service.serve(social.memberPosts, async ({ params, query }, { call }) => {
    const member = parseTypedId('usr', params.member)
    const posts = await deps.posts.listOf(member, readPage(query), call)
    if (posts === undefined) throw new MemberNotFoundError()
    return pageOf(posts, query.limit, { idOf: ({ id }) => id, present })
  })

  service.serve(social.home, async ({ query }, context) => {
    const page = readPage(query, { by: 'time' })
    const posts = await deps.timelines.home(await context.member(), page, context.call)
    return pageOf(posts, query.limit, { idOf: ({ id }) => id, present })
  })
}
