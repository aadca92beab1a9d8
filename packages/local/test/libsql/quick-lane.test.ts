import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { Connection } from '../../src/libsql/connection.ts'
import { isProvenQuick } from '../../src/libsql/quick-proof.ts'
import { singleStatement } from '../../src/libsql/statement.ts'
import { close, execute, openHarness, pipeline } from './harness.ts'
import type { Harness, Result } from './harness.ts'

let harness: Harness
let folder: string
let connection: Connection

const schema = [
  'CREATE TABLE a (id TEXT PRIMARY KEY, n INT, note TEXT)',
  'CREATE TABLE r (n INTEGER PRIMARY KEY, id TEXT UNIQUE, x INT, y INT)',
  'CREATE UNIQUE INDEX r_xy ON r (x, y)',
  'CREATE INDEX r_y ON r (y)',
  'CREATE TABLE w (a TEXT, b TEXT, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID',
  'CREATE VIEW av AS SELECT * FROM a',
]

beforeAll(async () => {
  harness = await openHarness()
  folder = await mkdtemp(join(tmpdir(), 'stoa-libsql-quick-'))
  connection = new Connection(join(folder, 'x.db'), { version: 0 })
  for (const sql of schema) connection.start(singleStatement(sql), [])
  await pipeline(harness.origin, [...schema.map((sql) => execute(sql)), close])
})
afterAll(async () => {
  connection.close()
  await rm(folder, { recursive: true, force: true })
  await harness.close()
})

const isQuick = (sql: string): boolean => isProvenQuick(singleStatement(sql), connection)

test.each([
  'SELECT * FROM a WHERE id = ?',
  'SELECT id, coalesce(note, ?) FROM a WHERE id = ?',
  'SELECT * FROM r WHERE n = ?',
  'SELECT * FROM r WHERE id = ? LIMIT 1',
  'SELECT * FROM r WHERE x = ? AND y = ?',
  'SELECT v FROM w WHERE a = ? AND b = ?',
  'SELECT * FROM a WHERE id IN (?, ?, ?)',
  'SELECT a.*, w.v FROM a LEFT JOIN w ON w.a = a.id AND w.b = ? WHERE a.id = ?',
  'SELECT note FROM av WHERE id = ?',
  'SELECT 1',
])('proves that %s reads a row at most', (sql) => {
  expect(isQuick(sql)).toBe(true)
})

test.each([
  'SELECT * FROM a',
  'SELECT count(*) FROM a',
  'SELECT * FROM a WHERE n = ?',
  'SELECT * FROM a WHERE id > ?',
  'SELECT * FROM a WHERE id LIKE ?',
  'SELECT * FROM r WHERE x = ?',
  'SELECT * FROM r WHERE y = ?',
  'SELECT * FROM r WHERE x = ? AND y > ?',
  'SELECT v FROM w WHERE a = ?',
  'SELECT v FROM w AS other WHERE a = ? AND b = ?',
  'SELECT * FROM a WHERE id IN (SELECT id FROM r)',
  'SELECT *, (SELECT count(*) FROM r) FROM a WHERE id = ?',
  'SELECT hex(zeroblob(?)) FROM a WHERE id = ?',
  'SELECT * FROM r WHERE id IS NULL',
  'SELECT * FROM r WHERE id IS ?',
  'SELECT v FROM w WHERE a IN (?, ?) AND b IN (?, ?)',
  'SELECT * FROM a JOIN json_each(?) WHERE a.id = ?',
  'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT * FROM c',
  'DELETE FROM a WHERE id = ?',
  'EXPLAIN SELECT 1',
])('proves nothing of %s', (sql) => {
  expect(isQuick(sql)).toBe(false)
})

/** Results without their one field that differs from run to run. */
function steady(results: readonly Result[]): unknown {
  return JSON.parse(JSON.stringify(results).replaceAll(/"query_duration_ms":[\d.]+/g, '"ms":0'))
}

async function read(sql: string, args: readonly unknown[] = []): Promise<readonly Result[]> {
  return (await pipeline(harness.origin, [execute(sql, args), close])).results
}

test('answers alike on the first read, by a thread, and on the tenth, without one', async () => {
  await pipeline(harness.origin, [
    execute("INSERT OR REPLACE INTO a VALUES ('one', 9007199254740993, NULL), ('two', 1, 'é')"),
    close,
  ])
  const text = (value: string): unknown => ({ type: 'text', value })
  const reads: readonly (readonly [string, readonly unknown[]])[] = [
    ['SELECT id, n, note, 1.0 AS f, 2 AS f FROM a WHERE id = ?', [text('one')]],
    ['SELECT * FROM a WHERE id = ?', [text('none')]],
    ['SELECT * FROM a WHERE id = :id', [text('two')]],
    ['SELECT * FROM a WHERE id = ?', []],
    ["SELECT json_extract('{}', 'FENCED') FROM a WHERE id = ?", [text('one')]],
  ]

  for (const [sql, args] of reads) {
    const first = steady(await read(sql, args))
    for (let i = 0; i < 9; i += 1) expect(steady(await read(sql, args))).toEqual(first)
  }
})

test('reads what has just been acknowledged, and nothing that has not', async () => {
  const sql = "SELECT n FROM a WHERE id = 'fresh'"
  for (let n = 0; n < 20; n += 1) {
    await pipeline(harness.origin, [
      execute(`INSERT OR REPLACE INTO a VALUES ('fresh', ${n}, '')`),
      close,
    ])
    const { baton } = await pipeline(harness.origin, [
      execute('BEGIN'),
      execute("UPDATE a SET n = -1 WHERE id = 'fresh'"),
    ])

    const results = await read(sql)

    expect(results[0]?.response?.result?.rows).toEqual([[{ type: 'integer', value: String(n) }]])
    await pipeline(harness.origin, [close], baton)
  }
})

test('sees each change of the schema', async () => {
  const sql = 'SELECT * FROM shape WHERE id = 1'
  await pipeline(harness.origin, [
    execute('CREATE TABLE shape (id INTEGER PRIMARY KEY)'),
    execute('INSERT INTO shape VALUES (1)'),
    close,
  ])
  for (const column of ['b', 'c', 'd']) {
    for (let i = 0; i < 8; i += 1) await read(sql)

    await pipeline(harness.origin, [execute(`ALTER TABLE shape ADD COLUMN ${column} REAL`), close])

    const result = (await read(sql))[0]?.response?.result
    expect(result?.cols.at(-1)).toEqual({ name: column, decltype: 'REAL' })
    expect(result?.rows[0]).toHaveLength(result?.cols.length ?? 0)
  }
  await pipeline(harness.origin, [execute('DROP TABLE shape'), close])
  expect((await read(sql))[0]?.error?.message).toBe('SQLite error: no such table: shape')
})

test('counts its statements and rows', async () => {
  const sql = "SELECT id FROM a WHERE id = 'two'"
  for (let i = 0; i < 8; i += 1) await read(sql)
  harness.tallies.length = 0

  await read(sql)

  expect(harness.tallies[0]?.counts).toMatchObject({ statements: 1, rowsRead: 1, rowsWritten: 0 })
})
