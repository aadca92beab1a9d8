import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { post as posts } from '@stoa/data/social'
import { and, desc, eq, lt } from 'drizzle-orm'

import type { PostStore } from '../domain/ports.ts'
import { db } from './builder.ts'
import { profileQuery } from './profiles.ts'
import { addToTimelines } from './timelines.ts'

const columns = {
  id: posts.id,
  author: posts.author,
  text: posts.text,
  createdAt: posts.createdAt,
}

export function postStore({ router, once: runner }: KeyspaceAccess): PostStore {
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
      return runner.run(once, { key, work, reply: post }, call)
    },
    get: async (id, call) => {
      const query = db.select(columns).from(posts).where(eq(posts.id, id)).limit(1)
      const rows = await router.read(id, statement(query), call)
      const [post] = await rowsOf(query, rows)
      return post
    },
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
