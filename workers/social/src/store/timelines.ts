import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { follow } from '@stoa/data/social'
import { type Statement, timeKey } from '@stoa/kernel'
import { inWaves } from '@stoa/sharding'
import { and, desc, eq, getTableName, lt, or } from 'drizzle-orm'

import type { TimelineStore } from '../domain/ports.ts'
import type { Post } from '../domain/post.ts'
import { db } from './builder.ts'
import { timelineOf } from './timeline-tables.ts'

/** How many rows one batch writes: with the longest texts a few megabytes, and no long hold of the write lock. */
const rowsInBatchMax = 500

/** Puts `post` into the timelines of `owners`, all of one shard; where it is, it stays. One statement a table. */
export function addToTimelines(post: Post, owners: readonly string[]): readonly Statement[] {
  const { id, author, text, createdAt } = post
  return [...Map.groupBy(owners, timelineOf)].map(([table, its]) => ({
    sql: `INSERT INTO ${getTableName(table)} (owner, time_key, post, author, text, created_at)
SELECT value, ?, ?, ?, ?, ? FROM json_each(?) WHERE true ON CONFLICT (owner, time_key) DO NOTHING`,
    args: [timeKey(id), id, author, text, createdAt, JSON.stringify(its)],
  }))
}

type Row = { readonly post: Post; readonly owner: string }

function inBatches(rows: readonly Row[]): readonly (readonly Row[])[] {
  const batches: (readonly Row[])[] = []
  for (let start = 0; start < rows.length; start += rowsInBatchMax) {
    batches.push(rows.slice(start, start + rowsInBatchMax))
  }
  return batches
}

export function timelineStore({ router, committer, inbox }: KeyspaceAccess): TimelineStore {
  return {
    // No inbox rows: (owner, time_key) is unique and a row never changes, so a repeat changes nothing by itself. That
    // saves a row for each reader, and lets all readers of a shard share a statement for each post and table.
    add: async (deliveries, call) => {
      const rows = deliveries.flatMap(({ post, readers }): readonly Row[] =>
        readers.map((owner) => ({ post, owner })),
      )
      const groups = await router.groups(rows, ({ owner }) => owner, call)
      await inWaves(groups.flatMap(inBatches), async (batch) => {
        const byPost = Map.groupBy(batch, ({ post }) => post)
        const statements = [...byPost].flatMap(([post, each]) =>
          addToTimelines(
            post,
            each.map(({ owner }) => owner),
          ),
        )
        const keys = batch.map(({ owner }) => owner)
        await committer.commit({ keys, statements, events: [] }, call)
      })
    },
    goOn: (steps, call) =>
      inbox.apply(
        steps.map(({ event, next }) => {
          return { event, key: event.id, statements: [], events: [next] }
        }),
        call,
      ),
    home: async (owner, { limit, after }, call) => {
      const timeline = timelineOf(owner)
      const query = db
        .select({
          id: timeline.post,
          author: timeline.author,
          text: timeline.text,
          createdAt: timeline.createdAt,
        })
        .from(timeline)
        .leftJoin(
          follow,
          and(eq(follow.follower, timeline.owner), eq(follow.followee, timeline.author)),
        )
        .where(
          and(
            eq(timeline.owner, owner),
            after === undefined ? undefined : lt(timeline.timeKey, after),
            or(eq(timeline.author, owner), eq(follow.active, 1)),
          ),
        )
        .orderBy(desc(timeline.timeKey))
        .limit(limit)
      const rows = await router.read(owner, statement(query), call)
      return rowsOf(query, rows)
    },
  }
}
