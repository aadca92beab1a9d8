import { integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/** How much of a product there is, and how much of it is promised to orders. */
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
