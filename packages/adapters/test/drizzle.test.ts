import { createClient } from '@libsql/client'
import { rootCall, type Rows, type SqlShard, type Statement } from '@stoa/kernel'
import { eq, relations, sql } from 'drizzle-orm'
import { blob, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { afterEach, beforeEach, expect, expectTypeOf, test } from 'vitest'

import { drizzleOn, readBatch, rowsOf, sqlShardOf, statement, writeBatch } from '../src/libsql.ts'

const people = sqliteTable('people', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  born: integer('born', { mode: 'timestamp_ms' }),
  active: integer('active', { mode: 'boolean' }).notNull().default(true),
  tags: text('tags', { mode: 'json' }).$type<string[]>(),
  face: blob('face', { mode: 'buffer' }),
})
const posts = sqliteTable('posts', {
  id: text('id').primaryKey(),
  author: text('author').notNull(),
})
const peopleRelations = relations(people, ({ many }) => ({ posts: many(posts) }))
const postsRelations = relations(posts, ({ one }) => ({
  writer: one(people, { fields: [posts.author], references: [people.id] }),
}))

const db = drizzleOn({ people, posts, peopleRelations, postsRelations })
const call = rootCall('drizzle')

let client: ReturnType<typeof createClient>
let shard: SqlShard
let sent: { readonly statements: readonly Statement[]; readonly mode: string }[]

beforeEach(async () => {
  client = createClient({ url: 'file::memory:', intMode: 'bigint' })
  const real = sqlShardOf(client, 'memory')
  sent = []
  shard = {
    name: real.name,
    batch(statements, mode, over) {
      sent.push({ statements, mode })
      return real.batch(statements, mode, over)
    },
  }
  await client.executeMultiple(
    `CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT NOT NULL, born INTEGER, active INTEGER NOT NULL DEFAULT 1, tags TEXT, face BLOB);
     CREATE TABLE posts (id TEXT PRIMARY KEY, author TEXT NOT NULL);`,
  )
})
afterEach(() => client.close())

const ann = {
  id: 'a',
  name: 'Ann',
  born: new Date(1_000_000_000_000),
  active: false,
  tags: ['x', 'y'],
  face: Buffer.from([0, 255]),
}

test('a batch gives each query its typed rows, and each plain statement its own', async () => {
  const plain: Statement = { sql: 'SELECT ? AS n', args: [7] }

  const [inserted, seven, all, names, one] = await writeBatch(
    shard,
    [
      db.insert(people).values(ann).returning(),
      plain,
      db.select().from(people),
      db.select({ name: people.name }).from(people).where(eq(people.id, 'a')),
      db.get<{ n: number }>(sql`SELECT 5 AS n`),
    ],
    call,
  )

  expect(inserted).toEqual([ann])
  expect(seven).toMatchObject({ columns: ['n'], rows: [[7]] })
  expect(all).toEqual([ann])
  expect(names).toEqual([{ name: 'Ann' }])
  expect(one).toEqual({ n: 5 })
  expectTypeOf(names).toEqualTypeOf<{ name: string }[]>()
  expectTypeOf(seven).toEqualTypeOf<Rows>()
  expectTypeOf(all).toEqualTypeOf<(typeof people.$inferSelect)[]>()
})

test('a batch goes out once, in the mode of its function, in the order of its items', async () => {
  await writeBatch(
    shard,
    [{ sql: 'SELECT 1', args: [] }, db.insert(people).values(ann), { sql: 'SELECT 2', args: [] }],
    call,
  )
  await readBatch(shard, [db.select().from(people)], call)

  expect(sent.map((batch) => batch.mode)).toEqual(['write', 'read'])
  expect(sent[0]?.statements.map((one) => one.sql.slice(0, 8))).toEqual([
    'SELECT 1',
    'insert i',
    'SELECT 2',
  ])
})

test('a batch of plain statements, or of nothing, works too', async () => {
  const answers = await readBatch(shard, [{ sql: 'SELECT 1', args: [] }], call)

  expect(answers).toMatchObject([{ rows: [[1]] }])
  expect(await readBatch(shard, [], call)).toEqual([])
})

test('a relational query gives its nested rows', async () => {
  await writeBatch(
    shard,
    [
      db.insert(people).values(ann),
      db.insert(posts).values([
        { id: 'p1', author: 'a' },
        { id: 'p2', author: 'a' },
      ]),
    ],
    call,
  )

  const [found] = await readBatch(
    shard,
    [
      db.query.people.findMany({
        columns: { name: true },
        with: { posts: { columns: { id: true } } },
      }),
    ],
    call,
  )

  expect(found).toEqual([{ name: 'Ann', posts: [{ id: 'p1' }, { id: 'p2' }] }])
})

test('a query that finds nothing gives nothing', async () => {
  const [rows, first] = await readBatch(
    shard,
    [db.select().from(people), db.query.people.findFirst()],
    call,
  )

  expect([rows, first]).toEqual([[], undefined])
})

test('a query becomes a statement, and its rows become typed again', async () => {
  await writeBatch(shard, [db.insert(people).values(ann)], call)
  const query = db.select().from(people).where(eq(people.active, false))

  const [rows] = await shard.batch([statement(query)], 'read', call)

  expect(rows && (await rowsOf(query, rows))).toEqual([ann])
})

test('a fault of the shard comes through as it is, and nothing was written', async () => {
  const twice = [
    db.insert(people).values({ id: 'b', name: 'B' }),
    db.insert(people).values({ id: 'b', name: 'B' }),
  ] as const

  await expect(writeBatch(shard, twice, call)).rejects.toMatchObject({
    code: 'sql_constraint',
    type: 'unique',
    constraint: 'people.id',
    statement: 1,
  })
  expect(await readBatch(shard, [db.select().from(people)], call)).toEqual([[]])
})

test('a query that is awaited by itself is refused', async () => {
  await expect(db.insert(people).values(ann)).rejects.toThrow(/Failed query|Cannot run this query/)
  await expect(db.transaction(async () => undefined)).rejects.toThrow(
    'Cannot run this query by itself',
  )
  expect(await readBatch(shard, [db.select().from(people)], call)).toEqual([[]])
})

test('a placeholder that was not filled is refused before anything is sent', async () => {
  const query = db
    .select()
    .from(people)
    .where(eq(people.id, sql.placeholder('id')))

  await expect(readBatch(shard, [query], call)).rejects.toThrow('a placeholder was not filled')
  expect(sent).toEqual([])
})
