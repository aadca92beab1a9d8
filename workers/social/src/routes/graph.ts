import { social } from '@stoa/contracts/social'
import type { Context, Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { changeFollow } from '../domain/change-follow.ts'
import { importFollows } from '../domain/import-follows.ts'
import { CannotFollowSelfError, MemberNotFoundError } from '../domain/member.ts'
import type { Page } from '../domain/ports.ts'
import { pageOf, readPage } from './page.ts'

/** Who calls, and whom the path names: that there is one is looked up while the session is checked. */
async function pairOf(deps: Deps, { member }: { readonly member: string }, context: Context) {
  const followee = parseTypedId('usr', member)
  const [follower, known] = await Promise.all([
    context.member(),
    deps.profiles.known([followee], context.call),
  ])
  if (follower === followee) throw new CannotFollowSelfError()
  if (!known.has(followee)) throw new MemberNotFoundError()
  return { follower, followee }
}

type List = (
  member: string,
  page: Page,
  call: Context['call'],
) => Promise<readonly string[] | undefined>

/** A handler of a list of members. */
function listing(list: List) {
  return async (
    input: {
      readonly params: { readonly member: string }
      readonly query: { readonly limit: number; readonly cursor?: string | undefined }
    },
    { call }: Context,
  ) => {
    const { params, query } = input
    const members = await list(parseTypedId('usr', params.member), readPage(query), call)
    if (members === undefined) throw new MemberNotFoundError()
    return pageOf(members, query.limit, {
      idOf: (member) => member,
      present: (member) => typedId('usr', member),
    })
  }
}

export function serveGraph(service: Service, deps: Deps): void {
  service.serve(social.follow, async ({ params }, context) => {
    const pair = await pairOf(deps, params, context)
    await changeFollow(deps, { ...pair, active: true }, context.call)
    return undefined
  })

  service.serve(social.unfollow, async ({ params }, context) => {
    const pair = await pairOf(deps, params, context)
    await changeFollow(deps, { ...pair, active: false }, context.call)
    return undefined
  })

  service.serve(
    social.following,
    listing((...asked) => deps.graph.following(...asked)),
  )
  service.serve(
    social.followers,
    listing((...asked) => deps.graph.followers(...asked)),
  )

  service.serve(social.counts, async ({ params }, { call }) => {
    const counts = await deps.profiles.counts(parseTypedId('usr', params.member), call)
    if (counts === undefined) throw new MemberNotFoundError()
    return counts
  })

  service.serve(social.importFollows, async ({ body }, { call, principal }) => {
    await principal()
    const pairs = body.lines.map(({ follower, followee }) => ({
      follower: parseTypedId('usr', follower),
      followee: parseTypedId('usr', followee),
    }))
    const outcomes = await importFollows(deps, pairs, call)
    return {
      results: outcomes.map((outcome, index) => ({
        line: body.lines[index]?.line ?? 0,
        ...outcome,
      })),
    }
  })
}
