import { index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/** Payments, in their buyer's place. The sums are those of the operations, by trigger; nobody writes them. */
export const payment = sqliteTable(
  'payment',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    buyer: text('buyer').notNull(),
    /** Null for a top-up of the buyer's wallet. */
    orderId: text('order_id'),
    gid: text('gid'),
    branch: text('branch'),
    provider: text('provider').notNull(),
    providerRef: text('provider_ref'),
    amountMinor: integer('amount_minor').notNull(),
    currency: text('currency').notNull(),
    authorisedMinor: integer('authorised_minor').notNull().default(0),
    capturedMinor: integer('captured_minor').notNull().default(0),
    voidedMinor: integer('voided_minor').notNull().default(0),
    refundedMinor: integer('refunded_minor').notNull().default(0),
    chargedBackMinor: integer('charged_back_minor').notNull().default(0),
    capturingMinor: integer('capturing_minor').notNull().default(0),
    voidingMinor: integer('voiding_minor').notNull().default(0),
    refundingMinor: integer('refunding_minor').notNull().default(0),
    openSince: integer('open_since'),
    version: integer('version').notNull().default(0),
    boundAt: integer('bound_at'),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('payment_order').on(t.orderId, t.id), index('payment_open').on(t.openSince)],
)

/** What was asked of a provider, and what it did: append-only. */
export const paymentOperation = sqliteTable(
  'payment_operation',
  {
    n: integer('n').primaryKey(),
    payment: text('payment').notNull(),
    name: text('name').notNull(),
    kind: text('kind', {
      enum: ['authorise', 'capture', 'void', 'refund', 'chargeback'],
    }).notNull(),
    phase: text('phase', {
      enum: ['requested', 'action_required', 'succeeded', 'failed'],
    }).notNull(),
    stage: integer('stage').notNull(),
    amountMinor: integer('amount_minor').notNull(),
    providerRef: text('provider_ref'),
    code: text('code'),
    at: integer('at').notNull(),
    cause: text('cause').notNull(),
  },
  (t) => [unique().on(t.payment, t.name, t.stage)],
)

/** The callbacks that were taken. */
export const paymentCallback = sqliteTable(
  'payment_callback',
  {
    payment: text('payment').notNull(),
    provider: text('provider').notNull(),
    event: text('event').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.payment, t.provider, t.event] })],
)

// The ledger, as packages/transactions says it: see its README.

export const balance = sqliteTable(
  'balance',
  {
    account: text('account').notNull(),
    book: text('book').notNull(),
    currency: text('currency').notNull(),
    debit: integer('debit').notNull().default(0),
    credit: integer('credit').notNull().default(0),
    limited: integer('limited').notNull(),
    seq: integer('seq').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.account, t.book, t.currency] })],
)

export const hold = sqliteTable(
  'hold',
  {
    account: text('account').notNull(),
    gid: text('gid').notNull(),
    branch: text('branch').notNull(),
    direction: text('direction').notNull(),
    currency: text('currency').notNull(),
    amount: integer('amount').notNull(),
    captured: integer('captured').notNull().default(0),
    released: integer('released').notNull().default(0),
    at: integer('at').notNull(),
    changedAt: integer('changed_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.gid, t.branch] })],
)

export const journal = sqliteTable(
  'journal',
  {
    account: text('account').notNull(),
    seq: integer('seq').notNull(),
    source: text('source').notNull(),
    kind: text('kind').notNull(),
    lines: text('lines').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.seq] }), unique().on(t.account, t.source)],
)

export const posting = sqliteTable(
  'posting',
  {
    account: text('account').notNull(),
    seq: integer('seq').notNull(),
    book: text('book').notNull(),
    currency: text('currency').notNull(),
    amount: integer('amount').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.seq, t.book, t.currency] })],
)

export const seal = sqliteTable(
  'seal',
  {
    account: text('account').notNull(),
    seq: integer('seq').notNull(),
    hash: text('hash').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.seq] })],
)
