import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Members; a root entity. */
export const member = sqliteTable('member', {
  n: integer('n').primaryKey(),
  id: text('id').notNull().unique(),
  handle: text('handle').notNull(),
  email: text('email').notNull(),
  name: text('name').notNull(),
  version: integer('version').notNull(),
  createdAt: integer('created_at').notNull(),
})

/** How a member proves to be one; absent for an imported member who has set no password yet. */
export const credential = sqliteTable('credential', {
  member: text('member').primaryKey(),
  hash: text('hash').notNull(),
  changedAt: integer('changed_at').notNull(),
})

/** Log-ins. The secret is kept only as its SHA-256. */
export const session = sqliteTable(
  'session',
  {
    id: text('id').primaryKey(),
    member: text('member').notNull(),
    secretHash: text('secret_hash').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    revokedAt: integer('revoked_at'),
  },
  (t) => [index('session_member').on(t.member)],
)

/** Permissions to set a new password, each good once. */
export const passwordReset = sqliteTable('password_reset', {
  id: text('id').primaryKey(),
  member: text('member').notNull(),
  secretHash: text('secret_hash').notNull(),
  createdAt: integer('created_at').notNull(),
  expiresAt: integer('expires_at').notNull(),
  usedAt: integer('used_at'),
})
