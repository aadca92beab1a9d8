import { index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core'

/** What a member counts, beside the rows that are counted. Made when the registration arrives, or by the first post or follow. */
export const profile = sqliteTable('profile', {
  member: text('member').primaryKey(),
  posts: integer('posts').notNull().default(0),
  followers: integer('followers').notNull().default(0),
  following: integer('following').notNull().default(0),
  version: integer('version').notNull().default(1),
})

/** Posts; children of their authors. */
export const post = sqliteTable(
  'post',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    author: text('author').notNull(),
    text: text('text').notNull(),
    createdAt: integer('created_at').notNull(),
    version: integer('version').notNull().default(1),
  },
  (t) => [index('post_author').on(t.author, t.id)],
)

/** Edges of the graph at the follower. `id`, a child of the follower, is the aggregate of the events. */
export const follow = sqliteTable(
  'follow',
  {
    follower: text('follower').notNull(),
    followee: text('followee').notNull(),
    id: text('id').notNull(),
    version: integer('version').notNull(),
    active: integer('active').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.follower, t.followee] })],
)

/** The same edges at the followee, a moment later: the newest version wins. */
export const follower = sqliteTable(
  'follower',
  {
    followee: text('followee').notNull(),
    follower: text('follower').notNull(),
    version: integer('version').notNull(),
    active: integer('active').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.followee, t.follower] })],
)

/** One of the tables that home timelines lie in; all are of this one type. */
function timelineTable(name: string) {
  return sqliteTable(
    name,
    {
      n: integer('n').primaryKey(),
      owner: text('owner').notNull(),
      timeKey: text('time_key').notNull(),
      post: text('post').notNull(),
      author: text('author').notNull(),
      text: text('text').notNull(),
      createdAt: integer('created_at').notNull(),
    },
    (t) => [unique().on(t.owner, t.timeKey)],
  )
}

/** Home timelines, a copy of each post for each reader: which table is said by bits of the owner's slot. */
export const timeline0 = timelineTable('timeline_0')
export const timeline1 = timelineTable('timeline_1')
export const timeline2 = timelineTable('timeline_2')
export const timeline3 = timelineTable('timeline_3')

/** Replies to posts. An id has its lane where other ids have the first digit of their time. */
export const reply = sqliteTable(
  'reply',
  {
    n: integer('n').primaryKey(),
    id: text('id').notNull().unique(),
    post: text('post').notNull(),
    timeKey: text('time_key').notNull(),
    author: text('author').notNull(),
    text: text('text').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('reply_post').on(t.post, t.timeKey)],
)
