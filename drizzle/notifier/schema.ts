import { index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

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
    ack: text('ack', { enum: ['status', 'body', 'call'] })
      .notNull()
      .default('status'),
    secretBefore: text('secret_before'),
    secretBeforeUntil: integer('secret_before_until').notNull().default(0),
    health: text('health', { enum: ['healthy', 'degraded', 'suspended'] })
      .notNull()
      .default('healthy'),
    failures: integer('failures').notNull().default(0),
    failingSince: integer('failing_since'),
    pacedTo: integer('paced_to').notNull().default(0),
    probeAt: integer('probe_at').notNull().default(0),
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
    nextAt: integer('next_at').notNull().default(0),
    lease: text('lease'),
    leaseUntil: integer('lease_until').notNull().default(0),
    earlier: integer('earlier').notNull().default(0),
    begunAt: integer('begun_at').notNull().default(0),
    asked: integer('asked').notNull().default(1),
  },
  (t) => [unique().on(t.endpoint, t.eventId), index('delivery_newest').on(t.endpoint, t.id)],
)

/** One call of a receiver, as it went. */
export const attempt = sqliteTable(
  'attempt',
  {
    n: integer('n').primaryKey(),
    delivery: text('delivery').notNull(),
    number: integer('number').notNull(),
    at: integer('at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    status: integer('status'),
    error: text('error'),
    answer: text('answer').notNull(),
  },
  (t) => [unique().on(t.delivery, t.number)],
)

/** The last number given to an event of a member. */
export const merchantSequence = sqliteTable('merchant_sequence', {
  member: text('member').primaryKey(),
  last: integer('last').notNull(),
})

/** What a member may ask for, numbered without gaps. */
export const merchantEvent = sqliteTable(
  'merchant_event',
  {
    n: integer('n').primaryKey(),
    member: text('member').notNull(),
    seq: integer('seq').notNull(),
    eventId: text('event_id').notNull(),
    type: text('type').notNull(),
    payload: text('payload').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [
    unique().on(t.member, t.seq),
    unique().on(t.member, t.eventId),
    index('merchant_event_time').on(t.member, t.at),
  ],
)

/** What a member is told inside the product. */
export const notice = sqliteTable(
  'notice',
  {
    member: text('member').notNull(),
    id: text('id').notNull(),
    type: text('type').notNull(),
    order: text('order_id').notNull(),
    createdAt: integer('created_at').notNull(),
    readAt: integer('read_at'),
  },
  (t) => [primaryKey({ columns: [t.member, t.id] })],
)
