import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import type { Cache, Loaded } from '@stoa/caching'
import { post as posts } from '@stoa/data/social'
import { announce } from '@stoa/http/cache'
import type { Call } from '@stoa/kernel'
import { and, desc, eq, lt } from 'drizzle-orm'

import type { PostStore } from '../domain/ports.ts'
import type { Post } from '../domain/post.ts'
import { db } from './builder.ts'
import { profileQuery } from './profiles.ts'
import { addToTimelines } from './timelines.ts'

const columns = {
  id: posts.id,
  author: posts.author,
  text: posts.text,
  createdAt: posts.createdAt,
}

/** Of a post that has just been written. */
const firstVersion = 1

async function readPost(
  { router }: Pick<KeyspaceAccess, 'router'>,
  id: string,
  call: Call,
): Promise<Loaded<Post>> {
  const query = db
    .select({ ...columns, version: posts.version })
    .from(posts)
    .where(eq(posts.id, id))
    .limit(1)
  const [row] = await rowsOf(query, await router.read(id, statement(query), call))
  if (row === undefined) return { value: undefined }
  const { version, ...value } = row
  return { value, version }
}

type Caching = { readonly cache: Cache; readonly defer: (work: Promise<unknown>) => void }

const spaceName = 'post'

export function postStore(access: KeyspaceAccess, { cache, defer }: Caching): PostStore {
  const { router, once: runner } = access
  const space = cache.space<Post>(spaceName, { ttlMs: 600_000, graceMs: 3_600_000 })
  return {
    create: async ({ once, post, events }, call) => {
      const key = post.author
      const statements = [
        statement(db.insert(posts).values(post)),
        ...addToTimelines(post, [post.author]),
        {
          // A session proves the member, whose registration may still be on its way here.
          sql: `INSERT INTO profile (member, posts) VALUES (?, 1)
ON CONFLICT (member) DO UPDATE SET posts = posts + 1, version = version + 1`,
          args: [post.author],
        },
      ]
      const work = { keys: [key], statements, events }
      const answered = await runner.run(once, { key, work, reply: post }, call)
      const { reply } = answered
      defer(announce(space, { key: reply.id, value: reply, version: firstVersion }, call))
      return answered
    },
    get: async (id, call) =>
      (await space.getOrLoad(id, (_, each) => readPost(access, id, each), call)).value,
    heard: (news, call) =>
      cache.invalidate(
        news.map(({ id, version }) => ({ space: spaceName, key: id, version })),
        call,
      ),
    listOf: async (author, { limit, after }, call) => {
      const query = db
        .select(columns)
        .from(posts)
        .where(and(eq(posts.author, author), after === undefined ? undefined : lt(posts.id, after)))
        .orderBy(desc(posts.id))
        .limit(limit)
      const key = author
      const [known, rows] = await router.readMany(
        [profileQuery(author), { key, statement: statement(query) }],
        call,
      )
      if (known?.rows.length !== 1 || rows === undefined) return undefined
      return rowsOf(query, rows)
    },
  }
}
