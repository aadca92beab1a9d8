import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** A disagreement between sides; its id is the hash of what it is. */
export const discrepancy = sqliteTable('discrepancy', {
  n: integer('n').primaryKey(),
  id: text('id').notNull().unique(),
  comparison: text('comparison').notNull(),
  class: text('class').notNull(),
  key: text('key').notNull(),
  state: text('state', {
    enum: [
      'open',
      'repairing',
      'repaired',
      'review',
      'proposed',
      'approved',
      'resolved',
      'dismissed',
    ],
  }).notNull(),
  action: text('action').notNull(),
  amount: integer('amount').notNull(),
  detail: text('detail').notNull(),
  occurrence: integer('occurrence').notNull().default(1),
  version: integer('version').notNull().default(1),
  firstSeenAt: integer('first_seen_at').notNull(),
  changedAt: integer('changed_at').notNull(),
  dueAt: integer('due_at'),
  closedAt: integer('closed_at'),
  attempts: integer('attempts').notNull().default(0),
  leaseOwner: text('lease_owner'),
  leaseUntil: integer('lease_until').notNull().default(0),
  assignee: text('assignee'),
  proposed: text('proposed'),
  maker: text('maker'),
  checker: text('checker'),
  actor: text('actor').notNull(),
  note: text('note'),
})

/** Every change of a discrepancy, written by the schema itself. */
export const discrepancyJournal = sqliteTable(
  'discrepancy_journal',
  {
    discrepancy: text('discrepancy').notNull(),
    version: integer('version').notNull(),
    occurrence: integer('occurrence').notNull(),
    state: text('state').notNull(),
    action: text('action').notNull(),
    amount: integer('amount').notNull(),
    detail: text('detail').notNull(),
    actor: text('actor').notNull(),
    note: text('note'),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.discrepancy, t.version] })],
)

/** What automatic repairs have taken of their budget. */
export const repairGrant = sqliteTable(
  'repair_grant',
  {
    slot: text('slot').notNull(),
    class: text('class').notNull(),
    discrepancy: text('discrepancy').notNull(),
    occurrence: integer('occurrence').notNull(),
    amount: integer('amount').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.class, t.discrepancy, t.occurrence] })],
)

/** One pass of one comparison, and how far it is. */
export const reconciliationRun = sqliteTable(
  'reconciliation_run',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    comparison: text('comparison').notNull(),
    state: text('state', { enum: ['running', 'finished'] }).notNull(),
    cursor: text('cursor'),
    compared: integer('compared').notNull().default(0),
    young: integer('young').notNull().default(0),
    found: text('found').notNull().default('{}'),
    version: integer('version').notNull().default(1),
    startedAt: integer('started_at').notNull(),
    changedAt: integer('changed_at').notNull(),
    finishedAt: integer('finished_at'),
  },
  (t) => [index('reconciliation_run_newest').on(t.startedAt, t.id)],
)

/** How many entries of a feed a slot has of a day, and the sum of their hashes. */
export const reconciliationDigest = sqliteTable(
  'reconciliation_digest',
  {
    slot: text('slot').notNull(),
    entity: text('entity').notNull(),
    day: integer('day').notNull(),
    count: integer('count').notNull(),
    hash: integer('hash').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.entity, t.day] })],
)

/** An operation that moved money, as one of the two feeds tells of it. */
export const moneyEntry = sqliteTable(
  'money_entry',
  {
    key: text('key').notNull(),
    source: text('source', { enum: ['provider', 'ledger'] }).notNull(),
    payment: text('payment'),
    kind: text('kind', { enum: ['capture', 'refund', 'chargeback'] }).notNull(),
    amount: integer('amount').notNull(),
    currency: text('currency').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.key, t.source] })],
)

/** How far a feed has come. */
export const feed = sqliteTable(
  'feed',
  {
    slot: text('slot').notNull(),
    name: text('name').notNull(),
    position: text('position').notNull(),
    completeTo: integer('complete_to').notNull(),
    version: integer('version').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.name] })],
)
