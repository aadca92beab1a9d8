import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/**
 * The tables that every sharded keyspace has, for typed queries; a keyspace's schema re-exports them.
 * `0000_shared.sql` is what is run (it also has the checks, WITHOUT ROWID and the guard), and a test
 * compares the two. Times are milliseconds since 1970.
 */

/** What this database may do with a piece of keys, `lo <= key < hi`. Written by the mover and at provisioning; see the guard. */
export const slotOwner = sqliteTable('_slot_owner', {
  lo: text('lo').primaryKey(),
  hi: text('hi').notNull(),
  epoch: integer('epoch').notNull(),
  state: text('state', {
    enum: ['serving', 'migrating', 'importing', 'frozen', 'handed_off'],
  }).notNull(),
  peer: text('peer'),
  job: text('job'),
})

/** Which database this is: one row. */
export const shardMeta = sqliteTable('_shard_meta', {
  id: integer('id').primaryKey(),
  shard: text('shard').notNull(),
  incarnation: text('incarnation'),
  fenceHash: text('fence_hash'),
  schemaMark: text('schema_mark'),
})

/** The mover's pass through the row triggers, and whether there are replicas: one row. */
export const fence = sqliteTable('_fence', {
  id: integer('id').primaryKey(),
  mover: text('mover'),
  capture: integer('capture').notNull().default(0),
})

/** Keys of rows that changed while their piece was being moved, or there were replicas. */
export const cdc = sqliteTable('_cdc', {
  seq: integer('seq').primaryKey({ autoIncrement: true }),
  tbl: text('tbl').notNull(),
  key: text('key').notNull(),
  pk: text('pk').notNull(),
})

/** The replicas that this database feeds. */
export const replicaFeed = sqliteTable('_replica_feed', {
  name: text('name').primaryKey(),
  applied: integer('applied').notNull(),
})

/** What this database is a copy of: one row, or none. */
export const replica = sqliteTable('_replica', {
  id: integer('id').primaryKey(),
  primaryName: text('primary_name').notNull(),
  incarnation: text('incarnation').notNull(),
  version: integer('version').notNull(),
  applied: integer('applied').notNull(),
  owners: integer('owners').notNull(),
  at: integer('at').notNull(),
})

/** What this database knows of the moves that it gives to or takes from. */
export const moveProgress = sqliteTable('_mv_progress', {
  job: text('job').primaryKey(),
  step: text('step', {
    enum: ['receiving', 'capturing', 'frozen', 'handed_off', 'cleaning', 'closed'],
  }).notNull(),
  version: integer('version').notNull(),
  applied: integer('applied'),
  verified: integer('verified'),
  changedAt: integer('changed_at').notNull(),
})

/** How far the workers of a move are. */
export const moveChunk = sqliteTable(
  '_mv_chunk',
  {
    job: text('job').notNull(),
    part: integer('part').notNull(),
    ranges: text('ranges').notNull(),
    position: text('position').notNull().default('[0,null]'),
    rows: integer('rows').notNull().default(0),
    state: text('state', { enum: ['copying', 'copied', 'verified'] })
      .notNull()
      .default('copying'),
  },
  (t) => [primaryKey({ columns: [t.job, t.part] })],
)

/** Always empty: what a failed condition inserts here aborts its batch. */
export const moveGate = sqliteTable('_mv_gate', { held: integer('held').notNull() })

/** The parts of imports that were written whole. */
export const importPart = sqliteTable(
  '_import',
  {
    job: text('job').notNull(),
    part: text('part').notNull(),
    present: text('present').notNull(),
    rejected: text('rejected').notNull(),
  },
  (t) => [primaryKey({ columns: [t.job, t.part] })],
)

/** The answer to an Idempotency-Key, written in the batch of its effect. */
export const idempotency = sqliteTable(
  'idempotency',
  {
    n: integer('n').primaryKey(),
    slot: text('slot').notNull(),
    principal: text('principal').notNull(),
    method: text('method').notNull(),
    route: text('route').notNull(),
    key: text('key').notNull(),
    fingerprint: text('fingerprint').notNull(),
    status: integer('status'),
    response: text('response'),
    recoveryPoint: text('recovery_point'),
    leaseUntil: integer('lease_until').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [
    unique().on(t.slot, t.principal, t.method, t.route, t.key),
    index('idempotency_expiry').on(t.expiresAt),
  ],
)

/** Events that were committed with their cause. `seq` is the version of the aggregate `okey`. */
export const outbox = sqliteTable(
  'outbox',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    topic: text('topic').notNull(),
    type: text('type').notNull(),
    okey: text('okey').notNull(),
    seq: integer('seq').notNull(),
    payload: text('payload').notNull(),
    headers: text('headers'),
    causation: text('causation'),
    state: text('state', { enum: ['ready', 'sent', 'dead'] })
      .notNull()
      .default('ready'),
    createdAt: integer('created_at').notNull(),
    nextAt: integer('next_at').notNull(),
    sentAt: integer('sent_at'),
    attempts: integer('attempts').notNull().default(0),
    leaseOwner: text('lease_owner'),
    leaseUntil: integer('lease_until').notNull().default(0),
    leaseEpoch: integer('lease_epoch').notNull().default(0),
    lastError: text('last_error'),
  },
  (t) => [
    unique().on(t.okey, t.seq),
    index('outbox_ready')
      .on(t.nextAt)
      .where(sql`state = 'ready'`),
    index('outbox_sent')
      .on(t.sentAt)
      .where(sql`state = 'sent'`),
  ],
)

/** Events whose effect has happened. The slot is that of the consumer's own key, not of the producer. */
export const inbox = sqliteTable(
  'inbox',
  {
    slot: text('slot').notNull(),
    consumer: text('consumer').notNull(),
    eventId: text('event_id').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.consumer, t.eventId] }), index('inbox_age').on(t.at)],
)

/** How far a consumer has followed one aggregate. */
export const inboxCursor = sqliteTable(
  'inbox_cursor',
  {
    slot: text('slot').notNull(),
    consumer: text('consumer').notNull(),
    okey: text('okey').notNull(),
    seq: integer('seq').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.consumer, t.okey] })],
)

/** Events that came before their predecessor. */
export const parked = sqliteTable(
  'parked',
  {
    n: integer('n').primaryKey(),
    slot: text('slot').notNull(),
    consumer: text('consumer').notNull(),
    okey: text('okey').notNull(),
    seq: integer('seq').notNull(),
    event: text('event').notNull(),
    parkedAt: integer('parked_at').notNull(),
  },
  (t) => [unique().on(t.slot, t.consumer, t.okey, t.seq), index('parked_age').on(t.parkedAt)],
)

/** Which branch operations of a transaction have happened, or never may. `token` is one attempt's. */
export const barrier = sqliteTable(
  'barrier',
  {
    slot: text('slot').notNull(),
    gid: text('gid').notNull(),
    branch: text('branch').notNull(),
    op: text('op').notNull(),
    reason: text('reason').notNull(),
    token: text('token').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.gid, t.branch, t.op] })],
)

/** A transaction over several shards: its one decision row. */
export const saga = sqliteTable(
  'saga',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    kind: text('kind').notNull(),
    state: text('state').notNull(),
    version: integer('version').notNull().default(1),
    steps: text('steps').notNull(),
    deadline: integer('deadline').notNull(),
    nextAt: integer('next_at').notNull(),
    attempts: integer('attempts').notNull().default(0),
    leaseOwner: text('lease_owner'),
    leaseUntil: integer('lease_until').notNull().default(0),
    leaseEpoch: integer('lease_epoch').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    finishedAt: integer('finished_at'),
    lastError: text('last_error'),
  },
  (t) => [
    index('saga_due')
      .on(t.nextAt)
      .where(sql`finished_at IS NULL`),
  ],
)

/** Who owns a looked-up text: claimed before the main write, confirmed after it, verified on read. */
export const lookup = sqliteTable(
  'lookup',
  {
    slot: text('slot').notNull(),
    kind: text('kind').notNull(),
    text: text('text').notNull(),
    ownerId: text('owner_id').notNull(),
    state: text('state', { enum: ['pending', 'confirmed'] })
      .notNull()
      .default('pending'),
    claimedAt: integer('claimed_at').notNull(),
    version: integer('version').notNull().default(1),
  },
  (t) => [
    primaryKey({ columns: [t.slot, t.kind, t.text] }),
    index('lookup_pending')
      .on(t.claimedAt)
      .where(sql`state = 'pending'`),
  ],
)

/** A non-unique index: what is listed under a text, in the order of `sort`. */
export const listing = sqliteTable(
  'listing',
  {
    slot: text('slot').notNull(),
    kind: text('kind').notNull(),
    text: text('text').notNull(),
    sort: text('sort').notNull(),
    ownerId: text('owner_id').notNull(),
    version: integer('version').notNull(),
    active: integer('active').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.kind, t.text, t.sort] })],
)

/** The shared tables that move with their slot, and the column whose first three characters are the slot. */
export const movingTables = {
  idempotency: 'slot',
  outbox: 'okey',
  inbox: 'slot',
  inbox_cursor: 'slot',
  parked: 'slot',
  barrier: 'slot',
  saga: 'id',
  lookup: 'slot',
  listing: 'slot',
} as const
