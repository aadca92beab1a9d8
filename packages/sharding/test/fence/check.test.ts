import { createClient } from '@libsql/client'
import { afterAll, describe, expect, test } from 'vitest'

import { checkShapes } from '../../src/fence/check.ts'
import { UnfenceableSchemaError, fenceSetOf } from '../../src/fence/fence-set.ts'
import { shapeOf } from '../../src/fence/shape.ts'
import { keyspaces, openFenced, tablesOf } from './databases.ts'

const clients: ReturnType<typeof createClient>[] = []
afterAll(() => {
  for (const client of clients) client.close()
})

async function tables(ddl: string) {
  const client = createClient({ url: 'file::memory:' })
  clients.push(client)
  await client.executeMultiple(ddl)
  return tablesOf(client)
}

const problemsOf = async (ddl: string) =>
  checkShapes(await tables(ddl)).map(({ table, why }) => `${table}: ${why}`)

describe('checkShapes', () => {
  test.for(keyspaces)('finds every table of %s fit to move', async (keyspace) => {
    const { client, tables: found } = await openFenced({ keyspace })
    client.close()

    expect(checkShapes(found)).toEqual([])
  })

  test.for([
    ['no key at all', 'CREATE TABLE t (a TEXT)', 'it has no key'],
    [
      'a number for its only key',
      'CREATE TABLE t (n INTEGER PRIMARY KEY, a TEXT)',
      'it has no key',
    ],
    [
      'a key that begins with a number',
      'CREATE TABLE t (n INTEGER NOT NULL, a TEXT, PRIMARY KEY (n, a)) WITHOUT ROWID',
      'is INTEGER, not TEXT',
    ],
    [
      'a key without a type',
      'CREATE TABLE t (id NOT NULL PRIMARY KEY) WITHOUT ROWID',
      'is untyped, not TEXT',
    ],
    ['a key that may be NULL', 'CREATE TABLE t (id TEXT PRIMARY KEY)', 'may be NULL'],
    [
      'a key that ignores case',
      'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID',
      'byte by byte',
    ],
    [
      'a computed key',
      "CREATE TABLE t (a TEXT, id TEXT NOT NULL GENERATED ALWAYS AS ('x' || a) STORED UNIQUE)",
      'is computed',
    ],
    [
      'a key of bytes',
      'CREATE TABLE t (id BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID',
      'is BLOB, not TEXT',
    ],
    [
      'a row named by a real number',
      'CREATE TABLE t (id TEXT NOT NULL, r REAL NOT NULL, PRIMARY KEY (id, r)) WITHOUT ROWID',
      'is REAL, not TEXT, INTEGER or BLOB',
    ],
    [
      'a row named by a column without a type',
      'CREATE TABLE t (id TEXT NOT NULL, a NOT NULL, PRIMARY KEY (id, a)) WITHOUT ROWID',
      'is untyped, not TEXT, INTEGER or BLOB',
    ],
    [
      'bytes that may be NULL',
      'CREATE TABLE t (id TEXT NOT NULL, b BLOB, PRIMARY KEY (id, b))',
      '"b" names its rows and may be NULL',
    ],
    [
      'a text unique by itself',
      'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, email TEXT UNIQUE) WITHOUT ROWID',
      'UNIQUE (email) could join rows of two slots',
    ],
    [
      'a unique index over a text',
      'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, sku TEXT); CREATE UNIQUE INDEX t_sku ON t (sku, id)',
      'UNIQUE (sku, id)',
    ],
    [
      'a unique expression',
      'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, sku TEXT); CREATE UNIQUE INDEX t_sku ON t (lower(id))',
      'over an expression',
    ],
    [
      'a rule that replaces',
      'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY ON CONFLICT REPLACE)',
      'ON CONFLICT REPLACE',
    ],
    [
      'a reference into other slots',
      'CREATE TABLE p (id TEXT NOT NULL PRIMARY KEY); CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, p TEXT REFERENCES p (id))',
      'its reference to "p" could reach into another slot',
    ],
  ] as const)('refuses %s', async ([, ddl, why]) => {
    const found = await problemsOf(ddl)

    expect(found).toHaveLength(1)
    expect(found[0]).toContain(why)
  })

  test.for([
    [
      'a slot and a text',
      'CREATE TABLE t (slot TEXT NOT NULL, k TEXT NOT NULL, PRIMARY KEY (slot, k)) WITHOUT ROWID',
    ],
    [
      'a slot and bytes',
      'CREATE TABLE t (slot TEXT NOT NULL, b BLOB NOT NULL, PRIMARY KEY (slot, b)) WITHOUT ROWID',
    ],
    [
      'a row number and an id',
      'CREATE TABLE t (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, x TEXT)',
    ],
    [
      'a second id',
      'CREATE TABLE t (owner TEXT NOT NULL, v INTEGER NOT NULL, id TEXT NOT NULL UNIQUE CHECK (length(id) = 20), PRIMARY KEY (owner, v)) WITHOUT ROWID',
    ],
    [
      'a quoted id',
      'CREATE TABLE t (owner TEXT NOT NULL PRIMARY KEY, "the id" TEXT NOT NULL UNIQUE CHECK (length("the id") = 20))',
    ],
    [
      'a reference from key to key',
      'CREATE TABLE p (id TEXT NOT NULL PRIMARY KEY); CREATE TABLE t (p TEXT NOT NULL REFERENCES p, k TEXT NOT NULL, PRIMARY KEY (p, k))',
    ],
    [
      'a local table, a search index and what belongs to it',
      'CREATE TABLE _local (a); CREATE VIRTUAL TABLE words USING fts5(text)',
    ],
    [
      'a unique index within an owner',
      'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, p INTEGER); CREATE UNIQUE INDEX t_p ON t (id, p) WHERE p > 0',
    ],
  ] as const)('accepts %s', async ([, ddl]) => {
    expect(await problemsOf(ddl)).toEqual([])
  })

  test('names every table that is wrong, and no fence is made', async () => {
    const found = await tables(
      'CREATE TABLE a (x TEXT); CREATE TABLE b (id TEXT PRIMARY KEY, y TEXT UNIQUE)',
    )

    expect(() => fenceSetOf(found)).toThrow(UnfenceableSchemaError)
    expect(checkShapes(found).map(({ table }) => table)).toEqual(['a', 'b', 'b'])
  })
})

describe('shapeOf', () => {
  test('takes the key of the first unique of a table with row numbers, and of the outbox its aggregate', async () => {
    const found =
      await tables(`CREATE TABLE t (n INTEGER PRIMARY KEY, a TEXT NOT NULL, id TEXT NOT NULL UNIQUE, UNIQUE (a, n));
CREATE TABLE outbox (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, okey TEXT NOT NULL, seq INTEGER NOT NULL, UNIQUE (okey, seq));
CREATE TABLE u (id TEXT NOT NULL UNIQUE, p TEXT NOT NULL, v INTEGER NOT NULL, PRIMARY KEY (p, v)) WITHOUT ROWID;`)

    expect(found.map(shapeOf)).toEqual([
      { name: 'outbox', key: 'okey', primaryKey: ['id'] },
      { name: 't', key: 'id', primaryKey: ['id'] },
      { name: 'u', key: 'p', primaryKey: ['p', 'v'] },
    ])
  })
})
