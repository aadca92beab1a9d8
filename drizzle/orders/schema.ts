import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Carts: of a member, in the member's slot, or of a guest, a root entity with a secret. `version` counts changes. */
export const cart = sqliteTable('cart', {
  n: integer('n').primaryKey(),
  id: text('id').notNull().unique(),
  member: text('member'),
  /** SHA-256 of a guest's token, in hexadecimal. */
  secretHash: text('secret_hash'),
  version: integer('version').notNull(),
  createdAt: integer('created_at').notNull(),
  /** The order that closed the cart. */
  orderedBy: text('ordered_by'),
})

/** What is in a cart. `at` is when the product was first put in, so that a new quantity keeps its place. */
export const cartItem = sqliteTable(
  'cart_item',
  {
    cart: text('cart').notNull(),
    product: text('product').notNull(),
    quantity: integer('quantity').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.cart, t.product] })],
)

/**
 * Orders, in the buyer's slot. `version` is 1 when placed and 2 when decided: the sequence number of the event. That it was
 * cancelled since is in `order_cancellation`.
 */
export const orderHead = sqliteTable(
  'order_head',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    buyer: text('buyer').notNull(),
    cart: text('cart').notNull(),
    state: text('state', { enum: ['pending', 'confirmed', 'rejected'] }).notNull(),
    totalMinor: integer('total_minor').notNull(),
    currency: text('currency').notNull(),
    version: integer('version').notNull(),
    createdAt: integer('created_at').notNull(),
    /** The request or the event that led to this version. */
    cause: text('cause').notNull(),
    /** Why the payment was refused, or what it waits for. */
    payment: text('payment'),
    decidedAt: integer('decided_at'),
  },
  (t) => [index('order_head_buyer').on(t.buyer, t.id)],
)

/** The cancellation of a confirmed order: its saga, and how it was decided. */
export const orderCancellation = sqliteTable('order_cancellation', {
  orderId: text('order_id').primaryKey(),
  saga: text('saga').notNull(),
  state: text('state', { enum: ['pending', 'cancelled', 'refused'] }).notNull(),
  askedBy: text('asked_by', { enum: ['buyer', 'operator'] }).notNull(),
  code: text('code'),
  askedAt: integer('asked_at').notNull(),
  decidedAt: integer('decided_at'),
  cause: text('cause').notNull(),
})

/** What became of an order's money after it was promised: one row an operation of a payment. */
export const orderMoney = sqliteTable(
  'order_money',
  {
    orderId: text('order_id').notNull(),
    payment: text('payment').notNull(),
    operation: text('operation').notNull(),
    kind: text('kind', { enum: ['captured', 'voided', 'refunded', 'disputed'] }).notNull(),
    amountMinor: integer('amount_minor').notNull(),
    currency: text('currency').notNull(),
    at: integer('at').notNull(),
    event: text('event').notNull(),
  },
  (t) => [primaryKey({ columns: [t.orderId, t.payment, t.operation] })],
)

/** The lines of an order at the prices of the moment it was placed, each with what the warehouse said of it. */
export const orderLine = sqliteTable(
  'order_line',
  {
    orderId: text('order_id').notNull(),
    product: text('product').notNull(),
    title: text('title').notNull(),
    quantity: integer('quantity').notNull(),
    priceMinor: integer('price_minor').notNull(),
    seller: text('seller'),
    state: text('state', { enum: ['pending', 'reserved', 'refused'] }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orderId, t.product] })],
)
