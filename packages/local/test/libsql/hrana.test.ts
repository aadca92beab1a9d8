import { afterAll, beforeAll, expect, test } from 'vitest'

import { close, execute, openHarness, pipeline, send } from './harness.ts'
import type { Harness, PipelineAnswer } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness({ maxThreads: 2 })
})
afterAll(() => harness.close())

const batch = (steps: readonly unknown[]): unknown => ({ type: 'batch', batch: { steps } })
const step = (sql: string, condition?: unknown): unknown => ({
  stmt: { sql },
  ...(condition === undefined ? {} : { condition }),
})

const blob = (base64: string): unknown => ({ type: 'blob', base64 })
const text = (value: string): unknown => ({ type: 'text', value })
const ok = (index: number): unknown => ({ type: 'ok', step: index })
const error = (index: number): unknown => ({ type: 'error', step: index })
const describeSql = (sql: string): unknown => ({ type: 'describe', sql })
const store = (sql_id: number, sql: string): unknown => ({ type: 'store_sql', sql_id, sql })

async function statusOf(path: string): Promise<number> {
  return (await fetch(`${harness.origin}${path}`)).status
}

async function v3(requests: readonly unknown[]): Promise<PipelineAnswer> {
  const reply = await send(`${harness.origin}/v3/pipeline`, { requests })
  return JSON.parse(reply.text) as PipelineAnswer
}

test('answers the version probes and the health check', async () => {
  expect(await statusOf('/v2')).toBe(200)
  expect(await statusOf('/v3')).toBe(200)
  expect(await statusOf('/v3-protobuf')).toBe(404)
  expect(await statusOf('/health')).toBe(200)
  expect(await statusOf('/version')).toBe(200)
  expect(await statusOf('/nothing/here')).toBe(404)
  expect(await statusOf('/v2/pipeline')).toBe(405)
})

test('writes a result with every field of the protocol', async () => {
  const { baton, base_url, results } = await pipeline(harness.origin, [
    execute('CREATE TABLE shape (a INT, b TEXT, c)'),
    execute("INSERT INTO shape VALUES (42, 'x', 1.0)"),
    execute('SELECT a, b, c, a + 1 FROM shape'),
    close,
  ])

  expect({ baton, base_url }).toEqual({ baton: null, base_url: null })
  expect(results[1]?.response?.result).toMatchObject({
    cols: [],
    rows: [],
    affected_row_count: 1,
    last_insert_rowid: '1',
    rows_written: 1,
  })
  const { query_duration_ms, ...rest } = results[2]?.response?.result ?? { query_duration_ms: -1 }
  expect(query_duration_ms).toBeGreaterThanOrEqual(0)
  expect(rest).toEqual({
    cols: [
      { name: 'a', decltype: 'INT' },
      { name: 'b', decltype: 'TEXT' },
      { name: 'c', decltype: null },
      { name: 'a + 1', decltype: null },
    ],
    rows: [
      [
        { type: 'integer', value: '42' },
        { type: 'text', value: 'x' },
        { type: 'float', value: 1 },
        { type: 'integer', value: '43' },
      ],
    ],
    affected_row_count: 0,
    last_insert_rowid: null,
    replication_index: null,
    rows_read: 1,
    rows_written: 0,
  })
  expect(results[3]).toEqual({ type: 'ok', response: { type: 'close' } })
})

test('runs every request of a pipeline, also after one that failed', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('SELECT * FROM missing'),
    execute('SELECT 1'),
    close,
  ])

  expect(results.map((result) => result.type)).toEqual(['error', 'ok', 'ok'])
})

test('leaves the rows out when they are not wanted', async () => {
  const stmt = { sql: 'SELECT 1 UNION SELECT 2', want_rows: false }

  const { results } = await pipeline(harness.origin, [{ type: 'execute', stmt }, close])

  expect(results[0]?.response?.result?.rows).toEqual([])
  expect(results[0]?.response?.result?.cols).toHaveLength(1)
})

test('takes blobs with and without padding, and writes them without', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('SELECT ?, ?', [blob('AQI='), blob('AQI')]),
    close,
  ])

  expect(results[0]?.response?.result?.rows).toEqual([[blob('AQI'), blob('AQI')]])
})

test('binds numbered and named parameters in every spelling', async () => {
  const named = [
    { name: 'a', value: text('A') },
    { name: '@b', value: text('B') },
    { name: '$c', value: text('C') },
  ]

  const { results } = await pipeline(harness.origin, [
    execute('SELECT ?2, ?, ?1', [text('1'), text('2'), text('3')]),
    { type: 'execute', stmt: { sql: 'SELECT :a, @b, $c, :a', named_args: named } },
    close,
  ])

  expect(results[0]?.response?.result?.rows).toEqual([[text('2'), text('3'), text('1')]])
  expect(results[1]?.response?.result?.rows).toEqual([[text('A'), text('B'), text('C'), text('A')]])
})

test('never lets a value of one run leak into the next', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('SELECT ?1, ?2', [
      { type: 'text', value: 'secret' },
      { type: 'text', value: 'secret' },
    ]),
    execute('SELECT ?1, ?2', [{ type: 'text', value: 'mine' }]),
    close,
  ])

  expect(results[1]?.error).toEqual({
    code: 'ARGS_INVALID',
    message: 'Arguments do not match SQL parameters: value for parameter ?2 not found',
  })
})

test.each([
  ['too many arguments', [1, 2], 'too many parameters, expected 1 found 2'],
  ['too few', [], 'value for parameter 1 not found'],
])('refuses %s', async (_what, values, detail) => {
  const args = values.map((value) => ({ type: 'integer', value: String(value) }))

  const { results } = await pipeline(harness.origin, [execute('SELECT ?', args), close])

  expect(results[0]?.error).toEqual({
    code: 'ARGS_INVALID',
    message: `Arguments do not match SQL parameters: ${detail}`,
  })
})

test('refuses positional and named arguments together', async () => {
  const one = { type: 'integer', value: '1' }
  const stmt = { sql: 'SELECT ?, :a', args: [one], named_args: [{ name: 'a', value: one }] }

  const { results } = await pipeline(harness.origin, [{ type: 'execute', stmt }, close])

  expect(results[0]?.error?.code).toBe('ARGS_BOTH_POSITIONAL_AND_NAMED')
})

test('evaluates batch conditions; a skipped step counts as an error, as in sqld', async () => {
  const { results } = await pipeline(harness.origin, [
    batch([
      step('SELECT 0'),
      step('SELECT * FROM missing'),
      step('SELECT 2', ok(1)),
      step('SELECT 3', error(1)),
      step('SELECT 4', error(2)),
      step('SELECT 5', { type: 'not', cond: ok(0) }),
      step('SELECT 6', { type: 'and', conds: [ok(0), error(1)] }),
      step('SELECT 7', { type: 'or', conds: [ok(1), ok(5)] }),
      step('SELECT 8', { type: 'and', conds: [] }),
      step('SELECT 9', { type: 'or', conds: [] }),
    ]),
    close,
  ])

  const result = results[0]?.response?.result
  expect(result?.step_results.map((one) => one !== null)).toEqual([
    true,
    false,
    false,
    true,
    true,
    false,
    true,
    false,
    true,
    false,
  ])
  expect(result?.step_errors.map((one) => one?.code ?? null)).toEqual([
    null,
    'SQLITE_UNKNOWN',
    ...Array.from({ length: 8 }, () => null),
  ])
})

test('knows is_autocommit in version 3 only', async () => {
  const guard = { type: 'is_autocommit' }
  const steps = [step('BEGIN', guard), step('SELECT 1', guard), step('COMMIT')]

  const third = await v3([batch(steps), { type: 'get_autocommit' }, close])
  const second = await send(`${harness.origin}/v2/pipeline`, { requests: [batch(steps)] })
  const request = await send(`${harness.origin}/v2/pipeline`, {
    requests: [{ type: 'get_autocommit' }],
  })

  const result = third.results[0]?.response?.result
  expect(result?.step_results.map((one) => one !== null)).toEqual([true, false, true])
  expect(third.results[1]?.response).toEqual({ type: 'get_autocommit', is_autocommit: true })
  expect(second).toMatchObject({ status: 400, type: 'text/plain' })
  expect(request).toMatchObject({ status: 400, type: 'text/plain' })
})

test('runs none of a batch when one step is no SQL', async () => {
  const { results } = await pipeline(harness.origin, [
    batch([step('CREATE TABLE unborn (x)'), step('CREAT TABLE y (x)')]),
    execute("SELECT count(*) FROM sqlite_schema WHERE name = 'unborn'"),
    close,
  ])

  expect(results[0]?.error?.code).toBe('SQL_PARSE_ERROR')
  expect(results[1]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '0' }]])
})

test('runs a batch whose later steps need what the earlier ones make', async () => {
  const { results } = await pipeline(harness.origin, [
    batch([
      step('CREATE TABLE stepwise (x)'),
      step('CREATE INDEX stepwise_x ON stepwise (x)'),
      step('INSERT INTO stepwise VALUES (1)'),
    ]),
    close,
  ])

  expect(results[0]?.response?.result?.step_errors).toEqual([null, null, null])
})

test('describes a statement without running it', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('CREATE TABLE described (id INTEGER PRIMARY KEY, name TEXT)'),
    describeSql('SELECT id, upper(name) AS n FROM described WHERE id = :id AND name = ?'),
    describeSql('INSERT INTO described (name) VALUES (?1)'),
    describeSql('EXPLAIN SELECT 1'),
    execute('SELECT count(*) FROM described'),
    close,
  ])

  expect(results[1]?.response?.result).toEqual({
    params: [{ name: ':id' }, { name: null }],
    cols: [
      { name: 'id', decltype: 'INTEGER' },
      { name: 'n', decltype: null },
    ],
    is_explain: false,
    is_readonly: true,
  })
  expect(results[2]?.response?.result).toMatchObject({
    params: [{ name: '?1' }],
    cols: [],
    is_readonly: false,
  })
  expect(results[3]?.response?.result).toMatchObject({ is_explain: true, is_readonly: true })
  expect(results[4]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '0' }]])
})

test('keeps stored texts on their stream, up to 50 of 5 KB', async () => {
  const many = Array.from({ length: 51 }, (_, i) => store(i, `SELECT ${i}`))

  const { results, baton } = await pipeline(harness.origin, [
    ...many,
    { type: 'execute', stmt: { sql_id: 7 } },
    { type: 'close_sql', sql_id: 7 },
    store(7, `SELECT '${'x'.repeat(5000)}'`),
    store(7, 'SELECT 70'),
  ])
  const later = await pipeline(
    harness.origin,
    [{ type: 'execute', stmt: { sql_id: 7 } }, close],
    baton,
  )

  expect(results[50]?.error?.code).toBe('SQL_STORE_TOO_MANY')
  expect(results[51]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '7' }]])
  expect(results[53]?.error?.code).toBe('SQL_STORE_TOO_LARGE')
  expect(later.results[0]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '70' }]])
})

test.each([
  ['a body that is not JSON', '{', 'Cannot deserialize client message from JSON: '],
  ['a body without requests', {}, 'Cannot deserialize client message from JSON: missing field'],
  ['an unknown request', { requests: [{ type: 'dance' }] }, 'Cannot deserialize client message'],
  [
    'an integer beyond 64 bits',
    { requests: [execute('SELECT ?', [{ type: 'integer', value: '9223372036854775808' }])] },
    'Cannot deserialize client message from JSON: invalid value',
  ],
  [
    'both sql and sql_id',
    { requests: [{ type: 'execute', stmt: { sql: 'SELECT 1', sql_id: 1 } }] },
    'Either `sql` or `sql_id` are required, but not both',
  ],
  [
    'an unknown sql_id',
    { requests: [{ type: 'execute', stmt: { sql_id: 1 } }] },
    'SQL text 1 not found',
  ],
  [
    'a condition on a later step',
    { requests: [batch([step('SELECT 1', { type: 'ok', step: 0 })])] },
    'Invalid reference to step in a batch condition',
  ],
  [
    'a statement after close',
    { requests: [close, execute('SELECT 1')] },
    'Stream for this baton was closed',
  ],
])('answers %s with HTTP 400 and plain text', async (_what, body, start) => {
  const reply = await send(`${harness.origin}/v2/pipeline`, body)

  expect(reply).toMatchObject({ status: 400, type: 'text/plain' })
  expect(reply.text.slice(0, start.length)).toBe(start)
})

test('answers RESPONSE_TOO_LARGE past 10 MB and goes on', async () => {
  const { results } = await pipeline(harness.origin, [
    execute(
      'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT hex(zeroblob(50000)) FROM c',
    ),
    execute('CREATE TABLE after_large (x)'),
    close,
  ])

  expect(results[0]?.error).toEqual({
    code: 'RESPONSE_TOO_LARGE',
    message: 'Response is too large',
  })
  expect(results[1]?.type).toBe('ok')
})

test('counts statements and rows of a request', async () => {
  harness.tallies.length = 0
  await pipeline(harness.origin, [
    execute('CREATE TABLE IF NOT EXISTS counted (x)'),
    batch([
      step('BEGIN IMMEDIATE'),
      step('INSERT INTO counted VALUES (1), (2), (3)', { type: 'ok', step: 0 }),
      step('SELECT 1', { type: 'error', step: 1 }),
      step('COMMIT', { type: 'ok', step: 1 }),
    ]),
    execute('SELECT x FROM counted'),
    { type: 'sequence', sql: 'SELECT 1; SELECT 2;' },
    close,
  ])

  expect(harness.tallies[0]?.counts).toMatchObject({ statements: 7, rowsRead: 5, rowsWritten: 3 })
})

test('speaks the first HTTP protocols too', async () => {
  const statements = await send(`${harness.origin}/`, {
    statements: [
      'CREATE TABLE IF NOT EXISTS old (x, y)',
      { q: 'INSERT INTO old VALUES (?, ?)', params: [1, { base64: 'AQI' }] },
      { q: 'SELECT x, y FROM old WHERE x = $x', params: { x: 1 } },
    ],
  })
  const failed = await send(`${harness.origin}/`, {
    statements: ['INSERT INTO old VALUES (2, 2)', 'INSERT INTO missing VALUES (1)'],
  })
  const count = await send(`${harness.origin}/v1/execute`, {
    stmt: { sql: 'SELECT count(*) FROM old' },
  })
  const one = await send(`${harness.origin}/v1/batch`, { batch: { steps: [step('SELECT 1')] } })

  expect(JSON.parse(statements.text)).toEqual([
    { results: { columns: [], rows: [] } },
    { results: { columns: [], rows: [] } },
    { results: { columns: ['x', 'y'], rows: [[1, { base64: 'AQI' }]] } },
  ])
  expect(JSON.parse(failed.text)).toEqual([
    { results: { columns: [], rows: [] } },
    { error: 'no such table: missing' },
  ])
  expect(JSON.parse(count.text)).toMatchObject({
    result: { rows: [[{ type: 'integer', value: '1' }]] },
  })
  expect(one.status).toBe(200)
})
