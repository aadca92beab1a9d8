import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { notice } from '@stoa/data/notifier'
import { and, desc, eq, lt } from 'drizzle-orm'

import type { NoticeStore, Stretch } from '../domain/ports.ts'
import { db } from './builder.ts'

function selectNewest(member: string, { before, limit }: Stretch) {
  const { id, type, order, createdAt, readAt } = notice
  const ofMember = eq(notice.member, member)
  return db
    .select({ id, type, order, createdAt, readAt })
    .from(notice)
    .where(before === undefined ? ofMember : and(ofMember, lt(id, before)))
    .orderBy(desc(id))
    .limit(limit)
}

export function noticeStore({ router, committer }: KeyspaceAccess): NoticeStore {
  return {
    effectOf: (event, { member, ...row }) => ({
      event,
      key: member,
      scope: 'buyer',
      statements: [statement(db.insert(notice).values({ member, ...row }))],
      events: [],
    }),
    list: async (member, stretch, call) => {
      const query = selectNewest(member, stretch)
      const rows = await rowsOf(query, await router.read(member, statement(query), call))
      return rows.map(({ readAt, ...row }) => ({ ...row, isRead: readAt !== null }))
    },
    countUnread: async (member, most, call) => {
      const sql = `SELECT count(*) AS unread FROM (SELECT 1 FROM notice WHERE member = ? AND read_at IS NULL LIMIT ?)`
      const { rows } = await router.read(member, { sql, args: [member, most] }, call)
      return Number(rows[0]?.[0] ?? 0)
    },
    read: async ({ member, id, at, older }, call) => {
      const statements = [
        {
          sql: `UPDATE notice SET read_at = ? WHERE member = ? AND id ${older ? '<=' : '='} ? AND read_at IS NULL
AND EXISTS (SELECT 1 FROM notice WHERE member = ? AND id = ?)`,
          args: [at, member, id, member, id],
        },
        { sql: 'SELECT 1 AS known FROM notice WHERE member = ? AND id = ?', args: [member, id] },
      ]
      const work = { keys: [member], statements, events: [], eventsOf: () => [] }
      const { rows } = await committer.commit(work, call)
      return rows?.at(-1)?.rows.length === 1
    },
  }
}
