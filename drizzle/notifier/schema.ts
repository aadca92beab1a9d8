import { index, integer, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/** Where a member wants to be told of events; a child of the member. */
export const webhookEndpoint = sqliteTable(
  'webhook_endpoint',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    member: text('member').notNull(),
    url: text('url').notNull(),
    types: text('types', { mode: 'json' }).$type<readonly string[]>().notNull(),
    secret: text('secret').notNull(),
    createdAt: integer('created_at').notNull(),
    state: text('state', { enum: ['active', 'gone'] })
      .notNull()
      .default('active'),
  },
  (t) => [index('webhook_endpoint_member').on(t.member)],
)

/** One event for one endpoint; a child of the endpoint's member, so that the two lie in one slot. */
export const delivery = sqliteTable(
  'delivery',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    endpoint: text('endpoint').notNull(),
    type: text('type').notNull(),
    eventId: text('event_id').notNull(),
    payload: text('payload').notNull(),
    state: text('state', { enum: ['pending', 'delivered', 'failed'] })
      .notNull()
      .default('pending'),
    attempts: integer('attempts').notNull().default(0),
    lastStatus: integer('last_status'),
    createdAt: integer('created_at').notNull(),
    doneAt: integer('done_at'),
  },
  (t) => [unique().on(t.endpoint, t.eventId), index('delivery_newest').on(t.endpoint, t.id)],
)
