import { integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/** Whom goods are bought from; a root entity. */
export const supplier = sqliteTable('supplier', {
  n: integer('n').primaryKey(),
  id: text('id').notNull().unique(),
  name: text('name').notNull(),
  email: text('email').notNull(),
  version: integer('version').notNull(),
  createdAt: integer('created_at').notNull(),
})

/** An order to a supplier; lives with the supplier. Its state is computed from its lines. */
export const purchaseOrder = sqliteTable('purchase_order', {
  n: integer('n').primaryKey(),
  id: text('id').notNull().unique(),
  supplier: text('supplier').notNull(),
  currency: text('currency').notNull(),
  totalMinor: integer('total_minor').notNull(),
  version: integer('version').notNull(),
  createdAt: integer('created_at').notNull(),
})

/** What is ordered, and how much of it has arrived. */
export const purchaseOrderLine = sqliteTable(
  'purchase_order_line',
  {
    purchaseOrder: text('purchase_order').notNull(),
    product: text('product').notNull(),
    position: integer('position').notNull(),
    ordered: integer('ordered').notNull(),
    received: integer('received').notNull().default(0),
    /** For one unit, in minor units of the order's currency. */
    costMinor: integer('cost_minor').notNull(),
  },
  (t) => [primaryKey({ columns: [t.purchaseOrder, t.product] })],
)

/** Goods that arrived; lives with its purchase order. */
export const receipt = sqliteTable(
  'receipt',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    purchaseOrder: text('purchase_order').notNull(),
    version: integer('version').notNull(),
    /** JSON: `[{"product": …, "received": …}]`. */
    lines: text('lines').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [unique().on(t.purchaseOrder, t.version)],
)
