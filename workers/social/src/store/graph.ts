import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { follow, follower as twins } from '@stoa/data/social'
import { type Call, type Rows } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'
import { inWaves } from '@stoa/sharding'
import { and, asc, eq, gt } from 'drizzle-orm'

import type { EdgeChange, EdgeNews, GraphStore, Page, Pair } from '../domain/ports.ts'
import type { Post } from '../domain/post.ts'
import { db } from './builder.ts'
import { edgeStatements, newestPosts, twinStatements, typeOf } from './edge-statements.ts'
import { profileQuery } from './profiles.ts'

function keyOfFollower({ follower }: Pair): string {
  return follower
}

function keyOfFollowee({ followee }: Pair): string {
  return followee
}

/** The events that happened, from the rows of the last edge statement. */
function eventsOf(
  { active, at, wishes }: EdgeChange,
  rows: readonly Rows[],
  cause: string,
): readonly StoaEvent[] {
  const byEvent = new Map(wishes.map((wish) => [wish.event, wish]))
  return (rows.at(-1)?.rows ?? []).flatMap(([id, key, seq]): readonly StoaEvent[] => {
    const wish = byEvent.get(String(id))
    if (wish === undefined) return []
    const { follower, followee } = wish
    const data = { follower, followee }
    return [
      { id: wish.event, type: typeOf(active), key: String(key), seq: Number(seq), at, cause, data },
    ]
  })
}

async function change(
  { router, committer }: KeyspaceAccess,
  wanted: EdgeChange,
  call: Call,
): Promise<ReadonlySet<string>> {
  const groups = await router.groups(wanted.wishes, keyOfFollower, call)
  const happened = new Set<string>()
  await inWaves(groups, async (wishes) => {
    const part = { ...wanted, wishes }
    const work = {
      keys: wishes.map(keyOfFollower),
      statements: edgeStatements(part, call.requestId),
      events: [],
      eventsOf: (rows: readonly Rows[]) => eventsOf(part, rows, call.requestId),
    }
    const { rows } = await committer.commit(work, call)
    for (const { id } of work.eventsOf(rows ?? [])) happened.add(id)
  })
  return happened
}

function postOf([id, author, text, createdAt]: Rows['rows'][number]): Post {
  return {
    id: String(id),
    author: String(author),
    text: String(text),
    createdAt: Number(createdAt),
  }
}

async function mirror(
  { router, committer }: KeyspaceAccess,
  { edges, postsMax }: { readonly edges: readonly EdgeNews[]; readonly postsMax: number },
  call: Call,
): Promise<readonly Post[]> {
  const groups = await router.groups(edges, keyOfFollowee, call)
  const posts: Post[] = []
  await inWaves(groups, async (group) => {
    const followed = group.filter(({ active }) => active).map(({ followee }) => followee)
    const statements = [...twinStatements(group), newestPosts(followed, postsMax)]
    const { rows } = await committer.commit(
      { keys: group.map(keyOfFollowee), statements, events: [] },
      call,
    )
    posts.push(...(rows?.at(-1)?.rows ?? []).map(postOf))
  })
  return posts
}

function followingQuery(member: string, { limit, after }: Page) {
  return db
    .select({ member: follow.followee })
    .from(follow)
    .where(
      and(
        eq(follow.follower, member),
        eq(follow.active, 1),
        after === undefined ? undefined : gt(follow.followee, after),
      ),
    )
    .orderBy(asc(follow.followee))
    .limit(limit)
}

function followersQuery(member: string, { limit, after }: Page) {
  return db
    .select({ member: twins.follower })
    .from(twins)
    .where(
      and(
        eq(twins.followee, member),
        eq(twins.active, 1),
        after === undefined ? undefined : gt(twins.follower, after),
      ),
    )
    .orderBy(asc(twins.follower))
    .limit(limit)
}

type MembersQuery = ReturnType<typeof followingQuery> | ReturnType<typeof followersQuery>

/** One page of a member's list, and whether there is the member at all: one round trip. */
async function membersOf(
  { router }: KeyspaceAccess,
  { member, query }: { readonly member: string; readonly query: MembersQuery },
  call: Call,
): Promise<readonly string[] | undefined> {
  const list = { key: member, statement: statement(query) }
  const [known, rows] = await router.readMany([profileQuery(member), list], call)
  if (known?.rows.length !== 1 || rows === undefined) return undefined
  return (await rowsOf(query, rows)).map((row) => row.member)
}

export function graphStore(access: KeyspaceAccess): GraphStore {
  return {
    change: (wanted, call) => change(access, wanted, call),
    mirror: (news, call) => mirror(access, news, call),
    following: (member, page, call) =>
      membersOf(access, { member, query: followingQuery(member, page) }, call),
    followers: (member, page, call) =>
      membersOf(access, { member, query: followersQuery(member, page) }, call),
    readers: async (queries, call) => {
      const answers = await access.router.readMany(
        queries.map(({ author, page }) => ({
          key: author,
          statement: statement(followersQuery(author, page)),
        })),
        call,
      )
      return answers.map(({ rows }) => rows.map(([member]) => String(member)))
    },
  }
}
