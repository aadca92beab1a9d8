import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { dropTriggers, fenceSetOf, installFence } from '../../src/fence/fence-set.ts'
import { isFenceTrigger } from '../../src/fence/triggers.ts'
import { type FencedDatabase, openFenced, tablesOf } from './databases.ts'

const ddl = 'CREATE TABLE item (id TEXT NOT NULL PRIMARY KEY, note TEXT);'

let database: FencedDatabase
beforeEach(async () => {
  database = await openFenced({ ddl })
  await database.own({ lo: '0A1', hi: '0A2', state: 'serving' })
})
afterEach(() => database.client.close())

const guard = () =>
  database.run("INSERT INTO _guard (key, epoch, incarnation) VALUES ('0A1', 3, 'inc-a')")

async function fenceAnew(): Promise<void> {
  const names = (await database.run("SELECT name FROM sqlite_schema WHERE type = 'trigger'"))
    .flat()
    .map(String)
  const set = fenceSetOf(await tablesOf(database.client))
  await database.client.batch(
    [...dropTriggers(names.filter(isFenceTrigger)), ...installFence('a', set)],
    'write',
  )
}

/** As drizzle-kit rebuilds a table. */
const rebuild = [
  'CREATE TABLE `__new_item` (`id` text PRIMARY KEY NOT NULL, `note` text NOT NULL)',
  'INSERT INTO `__new_item`("id", "note") SELECT "id", coalesce("note", \'\') FROM `item`',
  'DROP TABLE `item`',
  'ALTER TABLE `__new_item` RENAME TO `item`',
]

describe('fenceSetOf', () => {
  test('gives tables that are installed everywhere the text that they have, letter by letter', async () => {
    const { client, tables } = await openFenced({
      ddl: 'CREATE TABLE t (owner TEXT NOT NULL, n INTEGER NOT NULL, body BLOB, PRIMARY KEY (owner, n)) WITHOUT ROWID',
    })
    client.close()

    expect(fenceSetOf(tables.filter(({ name }) => name === 't')).hash).toBe('8801cdf2a05f6935')
  })
})

describe('the guard', () => {
  test('refuses every write after a table was rebuilt, until the database is fenced anew', async () => {
    await guard()

    await database.client.batch(rebuild, 'write')

    await expect(guard()).rejects.toThrow('SHARD_FENCED|0A1|3|unfenced|')
    await fenceAnew()
    await guard()
    await database.own({ lo: '0A1', hi: '0A2', state: 'frozen' })
    await expect(database.run("INSERT INTO item VALUES ('0A1', '')")).rejects.toThrow('|frozen|')
  })

  test.for([
    'CREATE TABLE other (id TEXT NOT NULL PRIMARY KEY)',
    'CREATE UNIQUE INDEX item_note ON item (note)',
    'DROP TRIGGER fence_item_upd',
    'DROP TABLE item',
  ])('refuses every write after %s', async (change) => {
    await database.run(change)

    await expect(guard()).rejects.toThrow('|unfenced|')
  })

  test('tells a slot that has left before it tells of the fence', async () => {
    await database.run('DROP TRIGGER fence_item_upd')
    await database.own({ lo: '0A1', hi: '0A2', state: 'handed_off' })

    await expect(guard()).rejects.toThrow('SHARD_FENCED|0A1|3|handed_off|b')
  })

  test('asks nothing of a database that was never fenced', async () => {
    await database.run('UPDATE _shard_meta SET schema_mark = NULL')

    await expect(guard()).resolves.toEqual([])
  })

  test('is not stirred by rows', async () => {
    for (let row = 0; row < 50; row += 1)
      await database.run('INSERT INTO item VALUES (?, ?)', `0A1${row}`, 'x')

    await expect(guard()).resolves.toEqual([])
  })
})

describe('fenceSetOf', () => {
  test('has the same hash for the same tables, and another when the fence would be another', async () => {
    const again = await openFenced({ ddl })
    const other = await openFenced({ ddl: ddl.replaceAll('item', 'atom') })

    expect(fenceSetOf(again.tables).hash).toBe(fenceSetOf(database.tables).hash)
    expect(fenceSetOf(other.tables).hash).not.toBe(fenceSetOf(database.tables).hash)
    expect(await database.run('SELECT fence_hash FROM _shard_meta')).toEqual([
      [fenceSetOf(database.tables).hash],
    ])
    again.client.close()
    other.client.close()
  })

  test('fences tables and columns of any name', async () => {
    const odd = await openFenced({
      ddl: `CREATE TABLE "a ""b'; c" ("the 'key'" TEXT NOT NULL PRIMARY KEY, "select" TEXT);`,
    })
    await odd.own({ lo: '0A1', hi: '0A2', state: 'migrating', job: 'j' })
    await odd.run(`INSERT INTO "a ""b'; c" VALUES ('0A1', 'x')`)

    expect(await odd.run('SELECT tbl, pk FROM _cdc')).toEqual([[`a "b'; c`, '["0A1"]']])
    await expect(odd.run(`INSERT INTO "a ""b'; c" VALUES ('0B1', 'x')`)).rejects.toThrow(
      'SHARD_FENCED|0B1|',
    )
    odd.client.close()
  })
})
