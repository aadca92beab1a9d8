import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

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
