import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { reply as replies } from '@stoa/data/social'
import { mergeRows } from '@stoa/sharding'
import { and, asc, eq, gt, gte, lt } from 'drizzle-orm'

import { lanesOf } from '../domain/lane.ts'
import type { Page, ReplyStore } from '../domain/ports.ts'
import { db } from './builder.ts'

const columns = {
  id: replies.id,
  post: replies.post,
  author: replies.author,
  text: replies.text,
  createdAt: replies.createdAt,
  timeKey: replies.timeKey,
}

type Part = { readonly from: string; readonly to: string }

function pageQuery(post: string, { from, to }: Part, { limit, after }: Page) {
  return db
    .select(columns)
    .from(replies)
    .where(
      and(
        eq(replies.post, post),
        after === undefined ? undefined : gt(replies.timeKey, after),
        gte(replies.id, from),
        lt(replies.id, to),
      ),
    )
    .orderBy(asc(replies.timeKey))
    .limit(limit)
}

export function replyStore({ router, once: runner }: KeyspaceAccess): ReplyStore {
  return {
    create: ({ once, key, reply, events }, call) => {
      const statements = [statement(db.insert(replies).values(reply))]
      return runner.run(once, { key, work: { keys: [reply.id], statements, events }, reply }, call)
    },
    get: async (post, id, call) => {
      const query = db
        .select(columns)
        .from(replies)
        .where(and(eq(replies.id, id), eq(replies.post, post)))
        .limit(1)
      const [reply] = await rowsOf(query, await router.read(id, statement(query), call))
      return reply
    },
    list: async (post, page, call) => {
      const range = lanesOf(post)
      const sets = await router.readRange(
        range,
        (part) => statement(pageQuery(post, part, page)),
        call,
      )
      const rows = mergeRows(sets, { order: [{ column: 'time_key' }], limit: page.limit })
      return rowsOf(pageQuery(post, range, page), rows)
    },
  }
}
