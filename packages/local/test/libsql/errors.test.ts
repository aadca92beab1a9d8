import { afterAll, beforeAll, expect, test } from 'vitest'

import { close, execute, openHarness, pipeline } from './harness.ts'
import type { Harness, WireError } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness({ maxThreads: 1 })
  await pipeline(harness.origin, [
    {
      type: 'sequence',
      sql: `CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INT CHECK (n > 0));
        INSERT INTO t VALUES (1, 'a', 1);
        CREATE TRIGGER t_full BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'SHARD_FENCED|1|2|x'); END;`,
    },
    close,
  ])
})
afterAll(() => harness.close())

async function errorOf(sql: string): Promise<WireError | undefined> {
  const { results } = await pipeline(harness.origin, [execute(sql), close])
  return results[0]?.error
}

test.each([
  [
    "INSERT INTO t VALUES (2, 'a', 1)",
    'SQLITE_CONSTRAINT',
    'SQLite error: UNIQUE constraint failed: t.name',
  ],
  [
    "INSERT INTO t VALUES (1, 'b', 1)",
    'SQLITE_CONSTRAINT',
    'SQLite error: UNIQUE constraint failed: t.id',
  ],
  [
    'INSERT INTO t VALUES (2, NULL, 1)',
    'SQLITE_CONSTRAINT',
    'SQLite error: NOT NULL constraint failed: t.name',
  ],
  [
    "INSERT INTO t VALUES (2, 'b', 0)",
    'SQLITE_CONSTRAINT',
    'SQLite error: CHECK constraint failed: n > 0',
  ],
  ['DELETE FROM t', 'SQLITE_CONSTRAINT', 'SQLite error: SHARD_FENCED|1|2|x'],
  ["INSERT INTO t VALUES ('x', 'b', 1)", 'SQLITE_MISMATCH', 'SQLite error: datatype mismatch'],
  ['SELECT * FROM missing', 'SQLITE_UNKNOWN', 'SQLite error: no such table: missing'],
  [
    "SELECT json_extract('{}', 'SHARD_FENCED|1|2|x')",
    'SQLITE_UNKNOWN',
    "SQLite error: bad JSON path: 'SHARD_FENCED|1|2|x'",
  ],
  [
    'INSERT INTO t (nope) VALUES (1)',
    'SQLITE_UNKNOWN',
    'SQLite error: table t has no column named nope',
  ],
  ['COMMIT', 'SQLITE_UNKNOWN', 'SQLite error: cannot commit - no transaction is active'],
  ['DETACH other', 'SQLITE_UNKNOWN', 'SQLite error: no such database: other'],
])('answers %s with the primary code %s alone', async (sql, code, message) => {
  expect(await errorOf(sql)).toEqual({ code, message })
})

test.each([
  ['SELECT nope FROM t', 'no such column: nope', 7],
  ["SELECT 'é', nope FROM t", 'no such column: nope', 13],
  ['SELECT nofn(1)', 'no such function: nofn', 7],
  ['SELECT abs()', 'wrong number of arguments to function abs()', 7],
  ['CREATE TABLE t (x)', 'table t already exists', 13],
  ['SELECT id FROM t a, t b', 'ambiguous column name: id', 7],
])('answers %s with the offset in bytes', async (sql, message, offset) => {
  expect(await errorOf(sql)).toEqual({
    code: 'SQL_INPUT_ERROR',
    message: `SQL input error: ${message} (at offset ${offset})`,
  })
})

test.each([
  ['SELEC 1', 'syntax error around L1:6: `SELEC`'],
  ['SELECT * FRM t', 'syntax error around L1:13: `FRM`'],
  ['SELECT *\nFORM t', 'syntax error around L2:5: `FORM`'],
  ['SELECT * FROM t,;', 'near SEMI, "None": syntax error at (1, 18)'],
  ['CREATE TABLE y (\n  a TEXT,\n)', 'near RP, "None": syntax error at (3, 2)'],
  ['SELECT id,\n  FROM t', 'near FROM, "None": syntax error at (2, 7)'],
])('answers %j in the words of sqld’s parser', async (sql, detail) => {
  expect(await errorOf(sql)).toEqual({
    code: 'SQL_PARSE_ERROR',
    message: `SQL string could not be parsed: ${detail}`,
  })
})

test.each(['SELECT', "SELECT 'abc", 'SELECT @'])(
  'answers %s with SQL_PARSE_ERROR; the documents are silent about its text',
  async (sql) => {
    expect((await errorOf(sql))?.code).toBe('SQL_PARSE_ERROR')
  },
)

test.each([
  'VACUUM',
  'ANALYZE',
  'ATTACH other AS o',
  "ATTACH 'other.db' AS o",
  'CREATE TEMP TABLE x (a)',
  'CREATE TEMPORARY VIEW x AS SELECT 1',
  'CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END',
  'CREATE TABLE temp.x (a)',
  'PRAGMA journal_mode = DELETE',
  'PRAGMA synchronous = OFF',
  'PRAGMA recursive_triggers = ON',
  'PRAGMA writable_schema = ON',
  'PRAGMA wal_checkpoint',
  'PRAGMA optimize',
  'INSERT INTO libsql_wasm_func_table VALUES (1)',
])('refuses %s as sqld does', async (sql) => {
  expect(await errorOf(sql)).toEqual({
    code: 'SQL_PARSE_ERROR',
    message: `SQL string could not be parsed: unsupported statement: ${sql}`,
  })
})

test.each([
  'PRAGMA table_info(t)',
  'PRAGMA foreign_keys',
  'PRAGMA journal_mode',
  'PRAGMA integrity_check',
  'PRAGMA user_version = 7',
  'PRAGMA defer_foreign_keys = ON',
  'EXPLAIN QUERY PLAN SELECT * FROM t',
  'EXPLAIN DELETE FROM t',
  'REINDEX',
  'CREATE VIEW IF NOT EXISTS vw AS SELECT id AS temp FROM t',
  'WITH a AS (SELECT 1) SELECT * FROM a',
  "WITH a AS (SELECT 9) INSERT INTO t SELECT 9, 'nine', 9 FROM a",
  'VALUES (1), (2)',
  ' ; SELECT 1 ; -- end',
])('runs %s', async (sql) => {
  expect(await errorOf(sql)).toBeUndefined()
})

test('says when there is no statement, or more than one', async () => {
  expect(await errorOf('-- nothing')).toEqual({
    code: 'SQL_NO_STATEMENT',
    message: 'SQL string does not contain any statement',
  })
  expect(await errorOf('SELECT 1; SELECT 2')).toEqual({
    code: 'SQL_MANY_STATEMENTS',
    message: 'SQL string contains more than one statement',
  })
})

test('has the settings of sqld: foreign keys on, recursive triggers off, WAL', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('PRAGMA foreign_keys'),
    execute('PRAGMA recursive_triggers'),
    execute('PRAGMA journal_mode'),
    close,
  ])

  const values = results.slice(0, 3).map((result) => result.response?.result?.rows[0]?.[0])
  expect(values).toEqual([
    { type: 'integer', value: '1' },
    { type: 'integer', value: '0' },
    { type: 'text', value: 'wal' },
  ])
})
