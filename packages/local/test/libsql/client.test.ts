import { createClient as createNodeClient } from '@libsql/client'
import { LibsqlBatchError, LibsqlError } from '@libsql/client'
import type { Client, Config } from '@libsql/client'
import { createClient as createWebClient } from '@libsql/client/web'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { openHarness } from './harness.ts'
import type { Harness } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness({ maxThreads: 2 })
})
afterAll(() => harness.close())

const clients: readonly (readonly [string, (config: Config) => Client])[] = [
  ['@libsql/client/web', createWebClient],
  ['@libsql/client', createNodeClient],
]

describe.each(clients)('the server under the unchanged client of %s', (_name, createClient) => {
  let client: Client

  beforeEach(async () => {
    client = createClient({ url: harness.origin })
    await client.executeMultiple(
      'DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, data BLOB)',
    )
  })

  test('runs a statement with positional and with named arguments', async () => {
    const inserted = await client.execute({
      sql: 'INSERT INTO t (name, price) VALUES (?, ?)',
      args: ['a', 1.5],
    })
    const found = await client.execute({
      sql: 'SELECT id, name AS label, price FROM t WHERE name = :name AND price > $floor',
      args: { name: 'a', floor: 1 },
    })

    expect(inserted.rowsAffected).toBe(1)
    expect(inserted.lastInsertRowid).toBe(1n)
    expect(found.columns).toEqual(['id', 'label', 'price'])
    expect(found.columnTypes).toEqual(['INTEGER', 'TEXT', 'REAL'])
    expect(found.rows[0]).toMatchObject({ id: 1, label: 'a', price: 1.5 })
  })

  test('gives the rows and the count of RETURNING', async () => {
    const result = await client.execute(
      "INSERT INTO t (name) VALUES ('a'), ('b') RETURNING id, name",
    )

    expect(result.rows.map((row) => row['name'])).toEqual(['a', 'b'])
    expect(result.rowsAffected).toBe(2)
    expect(result.lastInsertRowid).toBe(2n)
  })

  test.each(['write', 'read', 'deferred'] as const)('runs a batch in %s mode', async (mode) => {
    await client.execute("INSERT INTO t (name) VALUES ('before')")

    const results = await client.batch(
      [{ sql: 'SELECT name FROM t WHERE id = ?', args: [1] }, 'SELECT count(*) AS n FROM t'],
      mode,
    )

    expect(results.map((result) => result.rows[0]?.[0])).toEqual(['before', 1])
  })

  test('rolls a whole batch back and names the statement that failed', async () => {
    const batch = client.batch(
      [
        "INSERT INTO t (name) VALUES ('a')",
        "INSERT INTO t (name) VALUES ('a')",
        "INSERT INTO t (name) VALUES ('b')",
      ],
      'write',
    )

    const error: unknown = await batch.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(LibsqlBatchError)
    expect(error).toMatchObject({
      statementIndex: 1,
      code: 'SQLITE_CONSTRAINT',
    })
    expect(String(error)).toMatch(/: SQLite error: UNIQUE constraint failed: t\.name$/)
    expect((await client.execute('SELECT * FROM t')).rows).toHaveLength(0)
  })

  test('commits an interactive transaction, invisible until then', async () => {
    const transaction = await client.transaction('write')
    await transaction.execute("INSERT INTO t (name) VALUES ('a')")
    const during = await client.execute('SELECT * FROM t')
    await transaction.batch(["INSERT INTO t (name) VALUES ('b')"])
    await transaction.commit()

    expect(during.rows).toHaveLength(0)
    expect((await client.execute('SELECT * FROM t')).rows).toHaveLength(2)
  })

  test.each(['rollback', 'close'] as const)('undoes a transaction that ends in %s', async (end) => {
    const transaction = await client.transaction('write')
    await transaction.execute("INSERT INTO t (name) VALUES ('a')")

    await transaction[end]()

    await client.execute("INSERT INTO t (name) VALUES ('b')")
    expect((await client.execute('SELECT name FROM t')).rows.map((row) => row[0])).toEqual(['b'])
  })

  test('keeps a transaction open after a statement in it failed', async () => {
    const transaction = await client.transaction('write')
    await transaction.execute("INSERT INTO t (name) VALUES ('a')")
    const failed = transaction.execute("INSERT INTO t (name) VALUES ('a')")

    await expect(failed).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    await transaction.execute("INSERT INTO t (name) VALUES ('b')")
    await transaction.commit()
    expect((await client.execute('SELECT * FROM t')).rows).toHaveLength(2)
  })

  test('migrates with foreign keys off, and has them on again afterwards', async () => {
    await client.migrate([
      'DROP TABLE IF EXISTS child',
      'CREATE TABLE child (parent INTEGER REFERENCES t (id))',
      'INSERT INTO child VALUES (99)',
    ])

    const orphan = client.execute('INSERT INTO child VALUES (98)')
    await expect(orphan).rejects.toMatchObject({
      message: 'SQLITE_CONSTRAINT: SQLite error: FOREIGN KEY constraint failed',
    })
    expect((await client.execute('SELECT * FROM child')).rows).toHaveLength(1)
    await client.execute('DROP TABLE child')
  })

  test('runs a script with triggers, comments and strings full of semicolons', async () => {
    await client.executeMultiple(`
      -- a comment; with a semicolon
      DROP TABLE IF EXISTS log; CREATE TABLE log (text TEXT);
      CREATE TRIGGER t_log AFTER INSERT ON t BEGIN
        INSERT INTO log VALUES (CASE WHEN NEW.name = ';' THEN 'semicolon' ELSE 'other' END);
        INSERT INTO log VALUES ('second;');
      END;
      INSERT INTO t (name) VALUES (';');
    `)

    const log = await client.execute('SELECT text FROM log')
    expect(log.rows.map((row) => row[0])).toEqual(['semicolon', 'second;'])
  })

  test('stops a script at its first failure and keeps what came before', async () => {
    const script = client.executeMultiple(
      "INSERT INTO t (name) VALUES ('a'); INSERT INTO nowhere VALUES (1); INSERT INTO t (name) VALUES ('b')",
    )

    await expect(script).rejects.toMatchObject({
      code: 'SQLITE_UNKNOWN',
      message: 'SQLITE_UNKNOWN: SQLite error: no such table: nowhere',
    })
    expect((await client.execute('SELECT name FROM t')).rows.map((row) => row[0])).toEqual(['a'])
  })

  test('keeps integers beyond 2^53 exact for clients that ask for them', async () => {
    const big = 9_007_199_254_740_993n
    const bigints = createClient({ url: harness.origin, intMode: 'bigint' })
    const strings = createClient({ url: harness.origin, intMode: 'string' })

    const inserted = await client.execute({ sql: 'INSERT INTO t (id) VALUES (?)', args: [big] })

    expect(inserted.lastInsertRowid).toBe(big)
    expect((await bigints.execute('SELECT id FROM t')).rows[0]?.[0]).toBe(big)
    expect((await strings.execute('SELECT id FROM t')).rows[0]?.[0]).toBe(String(big))
    await expect(client.execute('SELECT id FROM t')).rejects.toBeInstanceOf(RangeError)
  })

  test('keeps floats floats and blobs bytes', async () => {
    const data = new Uint8Array([0, 255, 1, 254])
    await client.execute({ sql: 'INSERT INTO t (price, data) VALUES (?, ?)', args: [1, data] })

    const { rows } = await client.execute(
      'SELECT typeof(price), price, data, typeof(data), typeof(2.0) FROM t',
    )

    expect(rows[0]?.[0]).toBe('real')
    expect(rows[0]?.[1]).toBe(1)
    expect(new Uint8Array(rows[0]?.[2] as ArrayBuffer)).toEqual(data)
    expect(rows[0]?.[3]).toBe('blob')
    expect(rows[0]?.[4]).toBe('real')
  })

  test('answers columns of the same name apart', async () => {
    const { columns, rows } = await client.execute('SELECT 1 AS a, 2 AS a')

    expect(columns).toEqual(['a', 'a'])
    expect([rows[0]?.[0], rows[0]?.[1]]).toEqual([1, 2])
  })

  test('shows new columns to a statement that was run before they came', async () => {
    await client.execute("INSERT INTO t (name) VALUES ('a')")
    await client.execute('SELECT * FROM t')

    await client.execute("ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'x'")

    const { columns, rows } = await client.execute('SELECT * FROM t')
    expect(columns).toEqual(['id', 'name', 'price', 'data', 'extra'])
    expect(rows[0]?.['extra']).toBe('x')
  })

  test('takes vectors, full-text search and JSON: it is the libSQL engine', async () => {
    await client.executeMultiple(`
      DROP TABLE IF EXISTS v; CREATE TABLE v (e F32_BLOB(3)); CREATE INDEX v_e ON v (libsql_vector_idx(e));
      INSERT INTO v VALUES (vector('[1,2,3]'));
      DROP TABLE IF EXISTS f; CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('hello world');
    `)

    const [vector, text, json] = await client.batch([
      'SELECT vector_extract(e) FROM v',
      "SELECT body FROM f WHERE f MATCH 'world'",
      `SELECT json_extract('{"a":[1,2]}', '$.a[1]')`,
    ])

    expect(vector?.rows[0]?.[0]).toBe('[1,2,3]')
    expect(text?.rows[0]?.[0]).toBe('hello world')
    expect(json?.rows[0]?.[0]).toBe(2)
  })

  test('refuses a server it cannot reach with an error of the client, not a hang', async () => {
    const nowhere = createClient({ url: `${harness.origin}/nowhere/` })

    const error: unknown = await nowhere.execute('SELECT 1').catch((caught: unknown) => caught)

    expect(error).toBeInstanceOf(LibsqlError)
    expect(error).toMatchObject({ code: 'SERVER_ERROR' })
  })
})
