import {
  blob,
  customType,
  integer,
  primaryKey,
  sqliteTable,
  text,
  unique,
} from 'drizzle-orm/sqlite-core'

/** How often something happened to a subject, a member or a product. Only ever rises. */
export const counter = sqliteTable(
  'counter',
  {
    subject: text('subject').notNull(),
    metric: text('metric').notNull(),
    n: integer('n').notNull(),
  },
  (t) => [primaryKey({ columns: [t.subject, t.metric] })],
)

/** Bytes as they are: drizzle's own blobs are JSON, big numbers or Node's buffers. */
const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'blob' })

// The counts, as packages/counting says them: see its README.

/** The counts of one kind: an id as its slot and the bytes behind it, and its metrics. */
function countsOf<Name extends string>(name: Name) {
  return sqliteTable(
    name,
    {
      slot: text('slot').notNull(),
      id: bytes('id').notNull(),
      views: integer('views').notNull().default(0),
      shares: integer('shares').notNull().default(0),
    },
    (t) => [primaryKey({ columns: [t.slot, t.id] })],
  )
}

export const countApplied = sqliteTable(
  'count_applied',
  {
    slot: text('slot').notNull(),
    flush: text('flush').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.flush] })],
)

export const countBucket = sqliteTable('count_bucket', {
  slot: text('slot').primaryKey(),
  seq: integer('seq').notNull(),
})

export const countDead = sqliteTable(
  'count_dead',
  {
    n: integer('n').primaryKey(),
    slot: text('slot').notNull(),
    flush: text('flush').notNull(),
    reason: text('reason').notNull(),
    payload: text('payload').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [unique().on(t.slot, t.flush)],
)

export const countDrift = sqliteTable(
  'count_drift',
  {
    slot: text('slot').notNull(),
    subject: text('subject').notNull(),
    metric: text('metric').notNull(),
    edges: integer('edges').notNull(),
    total: integer('total').notNull(),
    seenAt: integer('seen_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.subject, t.metric] })],
)

export const countMember = countsOf('count_member')

export const countPage = sqliteTable(
  'count_page',
  {
    n: integer('n').primaryKey(),
    slot: text('slot').notNull(),
    kind: text('kind').notNull(),
    body: blob('body').notNull(),
  },
  (t) => [unique().on(t.slot, t.kind)],
)

export const countPost = countsOf('count_post')

export const countProduct = countsOf('count_product')

export const countSweep = sqliteTable(
  'count_sweep',
  {
    slot: text('slot').notNull(),
    task: text('task').notNull(),
    at: text('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.task] })],
)

export const countThaw = sqliteTable(
  'count_thaw',
  {
    slot: text('slot').notNull(),
    kind: text('kind').notNull(),
    id: bytes('id').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.kind, t.id] })],
)

export const countTop = sqliteTable(
  'count_top',
  {
    slot: text('slot').notNull(),
    board: text('board').notNull(),
    start: integer('start').notNull(),
    item: text('item').notNull(),
    n: integer('n').notNull(),
    error: integer('error').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.board, t.start, t.item] })],
)

export const countUnique = sqliteTable(
  'count_unique',
  {
    n: integer('n').primaryKey(),
    slot: text('slot').notNull(),
    subject: text('subject').notNull(),
    metric: text('metric').notNull(),
    period: integer('period').notNull(),
    body: blob('body').notNull(),
    version: integer('version').notNull(),
  },
  (t) => [unique().on(t.slot, t.subject, t.metric, t.period)],
)

export const countWindow = sqliteTable(
  'count_window',
  {
    slot: text('slot').notNull(),
    subject: text('subject').notNull(),
    metric: text('metric').notNull(),
    width: integer('width').notNull(),
    start: integer('start').notNull(),
    n: integer('n').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.subject, t.metric, t.width, t.start] })],
)
