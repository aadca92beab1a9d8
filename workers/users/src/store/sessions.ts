import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { passwordReset, session as sessions } from '@stoa/data/users'
import { and, eq, gt, isNull, sql } from 'drizzle-orm'

import type { ResetStore, SessionStore } from '../domain/ports.ts'
import { db } from './builder.ts'

export function sessionStore({ router, committer }: KeyspaceAccess): SessionStore {
  return {
    add: async ({ id, member, secretHash, createdAt, expiresAt }, passwordHash, call) => {
      const insert = {
        sql: `INSERT INTO session (id, member, secret_hash, created_at, expires_at)
SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM credential WHERE member = ? AND hash = ?) RETURNING id`,
        args: [id, member, secretHash, createdAt, expiresAt, member, passwordHash],
      }
      const { rows } = await committer.commit(
        { keys: [id], statements: [insert], events: [] },
        call,
      )
      return rows?.[0]?.rows.length === 1
    },
    getLive: async (id, now, call) => {
      const query = db
        .select({
          id: sessions.id,
          member: sessions.member,
          secretHash: sessions.secretHash,
          createdAt: sessions.createdAt,
          expiresAt: sessions.expiresAt,
        })
        .from(sessions)
        .where(and(eq(sessions.id, id), isNull(sessions.revokedAt), gt(sessions.expiresAt, now)))
        .limit(1)
      const [row] = await rowsOf(query, await router.read(id, statement(query), call))
      return row
    },
    revoke: async (id, now, call) => {
      const query = db
        .update(sessions)
        .set({ revokedAt: now })
        .where(and(eq(sessions.id, id), isNull(sessions.revokedAt)))
      await committer.commit({ keys: [id], statements: [statement(query)], events: [] }, call)
    },
  }
}

export function resetStore({ committer }: KeyspaceAccess): ResetStore {
  return {
    add: async (reset, call) => {
      const statements = [statement(db.insert(passwordReset).values(reset))]
      await committer.commit({ keys: [reset.id], statements, events: [] }, call)
    },
    use: async ({ id, secretHash }, { passwordHash, now }, call) => {
      const usedNow = and(eq(passwordReset.id, id), eq(passwordReset.usedAt, now))
      const member = sql`(SELECT ${passwordReset.member} FROM ${passwordReset} WHERE ${usedNow})`
      const statements = [
        statement(
          db
            .update(passwordReset)
            .set({ usedAt: now })
            .where(
              and(
                eq(passwordReset.id, id),
                eq(passwordReset.secretHash, secretHash),
                isNull(passwordReset.usedAt),
                gt(passwordReset.expiresAt, now),
              ),
            )
            .returning({ id: passwordReset.id }),
        ),
        {
          sql: `INSERT INTO credential (member, hash, changed_at)
SELECT member, ?, ? FROM password_reset WHERE id = ? AND secret_hash = ? AND used_at = ? AND changes() = 1
ON CONFLICT (member) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`,
          args: [passwordHash, now, id, secretHash, now],
        },
        statement(
          db
            .update(sessions)
            .set({ revokedAt: now })
            .where(
              and(sql`changes() = 1`, isNull(sessions.revokedAt), eq(sessions.member, member)),
            ),
        ),
      ]
      const { rows } = await committer.commit({ keys: [id], statements, events: [] }, call)
      return rows?.[0]?.rows.length === 1
    },
  }
}
