import { integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/**
 * How much of a product lies in a cell, and how much of it is promised to orders. In every table `product` is the key of a
 * cell: the product's own id where it is at home.
 */
export const stock = sqliteTable('stock', {
  product: text('product').primaryKey(),
  onHand: integer('on_hand').notNull(),
  reserved: integer('reserved').notNull(),
  version: integer('version').notNull(),
})

/** What became of an order's wish for a product; one row for each pair, for ever. */
export const reservation = sqliteTable(
  'reservation',
  {
    id: text('id').primaryKey(),
    product: text('product').notNull(),
    orderId: text('order_id').notNull(),
    quantity: integer('quantity').notNull(),
    state: text('state', { enum: ['reserved', 'refused', 'released'] }).notNull(),
    version: integer('version').notNull(),
    changedAt: integer('changed_at').notNull(),
    /** Where the wish went on from here. */
    next: text('next'),
    confirmedAt: integer('confirmed_at'),
  },
  (t) => [unique().on(t.product, t.orderId)],
)

/** The ledger: every change of a stock row, with the balances after it. Only ever appended to. */
export const movement = sqliteTable(
  'movement',
  {
    id: text('id').notNull().unique(),
    product: text('product').notNull(),
    version: integer('version').notNull(),
    type: text('type', { enum: ['opening', 'receipt', 'reserve', 'release'] }).notNull(),
    quantity: integer('quantity').notNull(),
    /** What moved it: the product itself, a receipt or an order. */
    ref: text('ref').notNull(),
    balanceOnHand: integer('balance_on_hand').notNull(),
    balanceReserved: integer('balance_reserved').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.product, t.version] })],
)

/** The other half of the ledger: what left a cell for another one, or came from it. Only ever appended to. */
export const transfer = sqliteTable(
  'transfer',
  {
    cell: text('cell').notNull(),
    version: integer('version').notNull(),
    id: text('id').notNull().unique(),
    peer: text('peer').notNull(),
    quantity: integer('quantity').notNull(),
    balanceOnHand: integer('balance_on_hand').notNull(),
    balanceReserved: integer('balance_reserved').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.cell, t.version] })],
)
