import { readFile } from 'node:fs/promises'

import { createClient } from '@libsql/client'
import * as schema from '@stoa/data/shared'
import {
  createIds,
  manualClock,
  rootCall,
  seededRandom,
  type SlotState,
  slotStates,
  slotText,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { is } from 'drizzle-orm'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { sqlShardOf } from '../src/libsql.ts'

const ddl = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)
const call = rootCall('shared-tables')
const ids = createIds({ clock: manualClock(1_790_000_000_000), random: seededRandom(1) })
const own = slotText(77)
const owner = ids.rootAt(`${own}00`)

let client: ReturnType<typeof createClient>
let shard: SqlShard

const row = (sql: string, ...args: SqlValue[]): Statement => ({ sql, args })
const write = (...statements: Statement[]) => shard.batch(statements, 'write', call)
const read = async (sql: string) => (await shard.batch([row(sql)], 'read', call))[0]?.rows ?? []
const guard = (slot: string, epoch: number, incarnation: string) =>
  row('INSERT INTO _guard (key, epoch, incarnation) VALUES (?, ?, ?)', slot, epoch, incarnation)
const claim = (text: string) =>
  row(
    'INSERT INTO lookup (slot, kind, text, owner_id, claimed_at) VALUES (?, ?, ?, ?, 1)',
    own,
    'handle',
    text,
    owner,
  )
const event = (id: string, okey: string, seq: number) =>
  row(
    "INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at) VALUES (?, 'orders', 'order.placed', ?, ?, '{}', 1, 1)",
    id,
    okey,
    seq,
  )
const applied = (consumer: string) =>
  row('INSERT INTO inbox (slot, consumer, event_id, at) VALUES (?, ?, ?, 1)', own, consumer, owner)
const setOwner = (state: SlotState, epoch: number, peer: string | null = null) =>
  write(
    row(
      'INSERT INTO _slot_owner (lo, hi, epoch, state, peer) VALUES (?, ?, ?, ?, ?) ON CONFLICT (lo) DO UPDATE SET epoch = excluded.epoch, state = excluded.state, peer = excluded.peer',
      own,
      slotText(78),
      epoch,
      state,
      peer,
    ),
  )

beforeEach(async () => {
  client = createClient({ url: 'file::memory:', intMode: 'bigint' })
  shard = sqlShardOf(client, 'shard-00')
  await write(...ddl.split('--> statement-breakpoint').map((statement) => row(statement)))
  await write(
    row("INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, 'shard-00', 'inc-1')"),
  )
})
afterEach(() => client.close())

describe('the guard', () => {
  test.for(['serving', 'migrating'] as const)(
    'lets a write pass when the slot is %s',
    async (state) => {
      await setOwner(state, 5)

      const answers = await write(guard(own, 5, 'inc-1'), claim('ann'))

      expect(answers[1]?.rowsAffected).toBe(1)
      expect(await read('SELECT count(*) FROM _guard')).toEqual([[0]])
    },
  )

  test.for(['importing', 'frozen', 'handed_off'] as const)(
    'stops a write when the slot is %s',
    async (state) => {
      await setOwner(state, 5, 'shard-01')

      await expect(write(guard(own, 5, 'inc-1'), claim('ann'))).rejects.toMatchObject({
        code: 'shard_fenced',
        slot: 77,
        epoch: 5,
        state,
        peer: 'shard-01',
      })
      expect(await read('SELECT * FROM lookup')).toEqual([])
    },
  )

  test.for([4, 6])('stops a write at epoch %i when the slot is held at 5', async (epoch) => {
    await setOwner('serving', 5)

    await expect(write(guard(own, epoch, 'inc-1'), claim('ann'))).rejects.toMatchObject({
      code: 'shard_fenced',
      epoch: 5,
      state: 'serving',
      peer: undefined,
    })
  })

  test('stops a write to a slot that the database never had', async () => {
    await expect(write(guard(own, 5, 'inc-1'), claim('ann'))).rejects.toMatchObject({
      code: 'shard_fenced',
      epoch: 0,
      state: 'unknown',
    })
  })

  test('stops a write to a copy, adopted by another or by nobody', async () => {
    await setOwner('serving', 5)
    await expect(write(guard(own, 5, 'inc-2'), claim('ann'))).rejects.toMatchObject({
      state: 'clone',
    })

    await write(row('UPDATE _shard_meta SET incarnation = NULL'))

    await expect(write(guard(own, 5, 'inc-1'), claim('ann'))).rejects.toMatchObject({
      state: 'clone',
    })
    await write(row('DELETE FROM _shard_meta'))
    await expect(write(guard(own, 5, 'inc-1'), claim('ann'))).rejects.toMatchObject({
      state: 'clone',
    })
  })

  test.for([
    ['key', row("INSERT INTO _guard (key, epoch, incarnation) VALUES (NULL, 5, 'inc-1')")],
    [
      'epoch',
      row('INSERT INTO _guard (key, epoch, incarnation) VALUES (?, NULL, ?)', own, 'inc-1'),
    ],
    ['incarnation', row('INSERT INTO _guard (key, epoch, incarnation) VALUES (?, 5, NULL)', own)],
  ] as const)('stops a write that forgets the %s', async ([, forgetful]) => {
    await setOwner('serving', 5)

    await expect(write(forgetful, claim('ann'))).rejects.toThrow(/SHARD_FENCED|Cannot write slot/)
    expect(await read('SELECT * FROM lookup')).toEqual([])
  })

  test('says exactly slot, epoch, state and peer', async () => {
    await setOwner('handed_off', 12, 'orders-03')

    await expect(
      client.execute(`INSERT INTO _guard VALUES ('${own}', 1, 'inc-1')`),
    ).rejects.toThrow(`SHARD_FENCED|${own}|12|handed_off|orders-03`)
  })

  test('checks every slot of a batch that writes several', async () => {
    await setOwner('serving', 5)
    const two = row(
      'INSERT INTO _guard VALUES (?, 5, ?), (?, 5, ?)',
      own,
      'inc-1',
      slotText(78),
      'inc-1',
    )

    await expect(write(two, claim('ann'))).rejects.toMatchObject({ slot: 78, state: 'unknown' })
  })

  test('stands before RETURNING and ON CONFLICT, and undoes all of a batch that comes before it', async () => {
    await setOwner('serving', 5)
    const upsert = row(
      `INSERT INTO lookup (slot, kind, text, owner_id, claimed_at) VALUES (?, 'handle', 'ann', ?, 2)
       ON CONFLICT (slot, kind, text) DO UPDATE SET version = version + 1 RETURNING version, claimed_at`,
      own,
      owner,
    )

    const passed = await write(guard(own, 5, 'inc-1'), claim('ann'), upsert)
    await expect(write(guard(own, 4, 'inc-1'), upsert)).rejects.toMatchObject({
      code: 'shard_fenced',
    })
    await expect(write(upsert, guard(own, 4, 'inc-1'))).rejects.toMatchObject({
      code: 'shard_fenced',
    })

    expect(passed[2]?.rows).toEqual([[2, 1]])
    expect(await read('SELECT version FROM lookup')).toEqual([[2]])
  })
})

describe('a piece inside a slot', () => {
  const inner = `${own}XY`
  const put = (lo: string, hi: string, owned: readonly [SlotState, number, string?]) =>
    write(
      row(
        'INSERT INTO _slot_owner (lo, hi, state, epoch, peer) VALUES (?, ?, ?, ?, ?)',
        lo,
        hi,
        ...([...owned, null].slice(0, 3) as SqlValue[]),
      ),
    )

  test('decides over its keys, and its slot over all others', async () => {
    await setOwner('serving', 5)
    await put(inner, `${own}XZ`, ['handed_off', 6, 'shard-02'])

    await expect(write(guard(`${inner}00`, 5, 'inc-1'), claim('ann'))).rejects.toMatchObject({
      state: 'handed_off',
      peer: 'shard-02',
      slot: 77,
    })
    await write(guard(`${own}XX`, 5, 'inc-1'), guard(own, 5, 'inc-1'), claim('ann'))
    await write(guard(`${own}XZ`, 5, 'inc-1'), claim('bob'))
  })

  test('may be all that a database has of a slot', async () => {
    await put(inner, `${own}XZ`, ['serving', 6])

    await write(guard(`${inner}0123`, 6, 'inc-1'), claim('ann'))
    await expect(write(guard(own, 6, 'inc-1'), claim('bob'))).rejects.toMatchObject({
      state: 'unknown',
    })
  })

  test('may itself hold another', async () => {
    await put(inner, `${own}XZ`, ['frozen', 6])
    await put(`${inner}5`, `${inner}7`, ['serving', 8])

    await write(guard(`${inner}6`, 8, 'inc-1'), claim('ann'))
    await expect(write(guard(`${inner}7`, 6, 'inc-1'), claim('bob'))).rejects.toMatchObject({
      state: 'frozen',
    })
  })
})

describe('the slot owner', () => {
  test('has every state that the kernel knows, and no other', async () => {
    for (const state of slotStates) await setOwner(state, 1, 'p')

    await expect(write(row("UPDATE _slot_owner SET state = 'asleep'"))).rejects.toMatchObject({
      type: 'check',
    })
    expect(schema.slotOwner.state.enumValues).toEqual([...slotStates])
  })

  test('names a peer when it has handed off, in words that fit into the token', async () => {
    await expect(setOwner('handed_off', 1)).rejects.toMatchObject({ type: 'check' })
    await expect(setOwner('handed_off', 1, "a'|b")).rejects.toMatchObject({ type: 'check' })
  })
})

describe('the keys', () => {
  test('an order number of an aggregate is given once', async () => {
    await write(event(ids.child(owner), owner, 1))

    await expect(write(event(ids.child(owner), owner, 1))).rejects.toMatchObject({
      type: 'unique',
      constraint: 'outbox.okey, outbox.seq',
    })
  })

  test('an event is applied once for each consumer', async () => {
    await write(applied('warehouse'), applied('stats'))

    await expect(write(applied('stats'))).rejects.toMatchObject({
      type: 'unique',
      constraint: 'inbox.slot, inbox.consumer, inbox.event_id',
    })
  })

  test('the cursor lets the next order number pass, and a gap undoes the batch', async () => {
    const advance = (seq: number) =>
      row(
        'UPDATE inbox_cursor SET seq = CASE WHEN seq = ? THEN ? END WHERE slot = ? AND consumer = ? AND okey = ?',
        seq - 1,
        seq,
        own,
        'stats',
        owner,
      )
    await write(row("INSERT INTO inbox_cursor VALUES (?, 'stats', ?, 0)", own, owner))

    await write(advance(1))
    await expect(write(claim('ann'), advance(3))).rejects.toMatchObject({
      type: 'not_null',
      statement: 1,
    })

    expect(await read('SELECT seq FROM inbox_cursor')).toEqual([[1]])
    expect(await read('SELECT * FROM lookup')).toEqual([])
  })

  test('every moving table keeps the slot first in a key', async () => {
    for (const [table, column] of Object.entries(schema.movingTables)) {
      const keys = await read(
        `SELECT c.name FROM pragma_index_list('${table}') AS i, pragma_index_info(i.name) AS c WHERE i."unique" AND c.seqno = 0`,
      )
      expect([table, keys.flat()]).toEqual([table, expect.arrayContaining([column])])
    }
  })

  test('what is ready, due or waiting is found by its index', async () => {
    const queries = {
      outbox_ready: "SELECT id FROM outbox WHERE state = 'ready' AND next_at <= 5",
      outbox_sent: "SELECT id FROM outbox WHERE state = 'sent' AND sent_at <= 5",
      saga_due: 'SELECT id FROM saga WHERE finished_at IS NULL AND next_at <= 5',
      lookup_pending: "SELECT text FROM lookup WHERE state = 'pending' AND claimed_at <= 5",
      idempotency_expiry: 'SELECT key FROM idempotency WHERE expires_at <= 5',
    }
    for (const [name, query] of Object.entries(queries)) {
      const plan = await shard.batch([row(`EXPLAIN QUERY PLAN ${query}`)], 'read', call)
      expect(String(plan[0]?.rows[0]?.[3])).toContain(name)
    }
  })
})

const exported: readonly unknown[] = Object.values(schema)
const tables = exported.filter((one): one is SQLiteTable => is(one, SQLiteTable))
const sorted = (names: readonly unknown[]) => names.map(String).toSorted((a, b) => (a < b ? -1 : 1))

test('the drizzle schema has the tables of the DDL', async () => {
  const made = await read(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  )

  expect(sorted(tables.map((table) => getTableConfig(table).name))).toEqual(sorted(made.flat()))
  expect(tables.length).toBeGreaterThan(0)
})

test.for(tables.map((table) => [getTableConfig(table).name, table] as const))(
  'the drizzle schema has the columns, types, defaults and keys of %s',
  async ([name, table]) => {
    const { columns, primaryKeys, indexes, uniqueConstraints } = getTableConfig(table)
    const real = await read(
      `SELECT name, lower(type), "notnull", dflt_value, pk > 0 FROM pragma_table_info('${name}')`,
    )
    const inKey = new Set(primaryKeys.flatMap((key) => key.columns.map((column) => column.name)))
    const drawn = columns.map((column) => {
      const fallback: unknown = column.default
      const text = typeof fallback === 'string' ? `'${fallback}'` : String(fallback)
      // A rowid alias is never NULL, and SQLite does not say so.
      const notNull = column.notNull && column.name !== 'n'
      const primary = column.primary || inKey.has(column.name)
      return [
        column.name,
        column.getSQLType(),
        Number(notNull),
        fallback === undefined ? null : text,
        Number(primary),
      ]
    })
    const indexNames = await read(
      `SELECT name FROM pragma_index_list('${name}') WHERE origin = 'c'`,
    )
    const uniqueCount = await read(
      `SELECT count(*) FROM pragma_index_list('${name}') WHERE origin = 'u'`,
    )

    expect(drawn).toEqual(real)
    expect(sorted(indexes.map((one) => one.config.name))).toEqual(sorted(indexNames.flat()))
    expect([
      [uniqueConstraints.length + columns.filter((column) => column.isUnique).length],
    ]).toEqual(uniqueCount)
  },
)
