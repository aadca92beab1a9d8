import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Products; a root entity. A sku is unique over all shards by the lookup of kind `sku`. */
export const product = sqliteTable('product', {
  n: integer('n').primaryKey(),
  id: text('id').notNull().unique(),
  sku: text('sku').notNull(),
  title: text('title').notNull(),
  description: text('description').notNull(),
  category: text('category').notNull(),
  priceMinor: integer('price_minor').notNull(),
  currency: text('currency').notNull(),
  seller: text('seller'),
  version: integer('version').notNull(),
  createdAt: integer('created_at').notNull(),
})

/** Categories, each in the slot of its key's text. */
export const category = sqliteTable(
  'category',
  {
    slot: text('slot').notNull(),
    key: text('key').notNull(),
    name: text('name').notNull(),
    path: text('path', { mode: 'json' })
      .$type<readonly { readonly key: string; readonly name: string }[]>()
      .notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.key] })],
)

/** The products of a category, beside it: an index filled from `product.created`, with what a list shows. */
export const categoryProduct = sqliteTable(
  'category_product',
  {
    slot: text('slot').notNull(),
    category: text('category').notNull(),
    timeKey: text('time_key').notNull(),
    product: text('product').notNull(),
    title: text('title').notNull(),
    priceMinor: integer('price_minor').notNull(),
    currency: text('currency').notNull(),
  },
  (t) => [primaryKey({ columns: [t.slot, t.category, t.timeKey] })],
)
