import { setTimeout as delay } from 'node:timers/promises'

import { createClient } from '@libsql/client'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { close, execute, openHarness, pipeline, send } from './harness.ts'
import type { Harness, PipelineAnswer } from './harness.ts'

// Short times, so that what sqld does after 5 and 10 seconds is seen at once.
const lockTimeoutMs = 150
const streamTtlMs = 400

const series = 'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000)'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness({ lockTimeoutMs, streamTtlMs })
  await pipeline(harness.origin, [execute('CREATE TABLE t (x)'), close])
})
afterAll(() => harness.close())

async function open(database: string, sql: readonly string[]): Promise<string> {
  await harness.engine.databases?.create(database)
  const { baton } = await pipeline(`${harness.origin}/${database}`, [
    execute('CREATE TABLE IF NOT EXISTS t (x)'),
    ...sql.map((text) => execute(text)),
  ])
  if (baton === null) throw new Error('the stream was closed')
  return baton
}

async function on(
  database: string,
  requests: readonly unknown[],
  baton: string | null = null,
): Promise<PipelineAnswer> {
  return pipeline(`${harness.origin}/${database}`, requests, baton)
}

async function count(database: string): Promise<unknown> {
  const { results } = await on(database, [execute('SELECT count(*) FROM t'), close])
  return results[0]?.response?.result?.rows[0]?.[0]
}

test('gives a new baton with each answer and takes each once', async () => {
  const first = await open('once', ['BEGIN', 'INSERT INTO t VALUES (1)'])
  const second = await on('once', [execute('INSERT INTO t VALUES (2)')], first)

  const again = await send(`${harness.origin}/once/v2/pipeline`, { baton: first, requests: [] })
  const end = await on('once', [execute('COMMIT'), close], second.baton)
  const after = await send(`${harness.origin}/once/v2/pipeline`, {
    baton: second.baton,
    requests: [],
  })

  expect(second.baton).not.toBe(first)
  expect(again).toMatchObject({
    status: 400,
    type: 'text/plain',
    text: 'Received a baton that has already been used',
  })
  expect(end.baton).toBeNull()
  expect(after).toMatchObject({ status: 400, text: 'Received an invalid baton' })
  expect(await count('once')).toEqual({ type: 'integer', value: '2' })
})

test.each(['', 'nonsense', Buffer.alloc(48).toString('base64')])(
  'refuses the forged baton %j',
  async (baton) => {
    const reply = await send(`${harness.origin}/v2/pipeline`, { baton, requests: [] })

    expect(reply).toMatchObject({ status: 400, text: 'Received an invalid baton' })
  },
)

test('does not open one database with the baton of another', async () => {
  const baton = await open('mine', ['BEGIN'])
  await harness.engine.databases?.create('yours')

  const reply = await send(`${harness.origin}/yours/v2/pipeline`, { baton, requests: [close] })

  expect(reply).toMatchObject({ status: 400, text: 'Received an invalid baton' })
})

test('rolls back what a closed stream left open, and frees the lock', async () => {
  const baton = await open('left', ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)'])

  await on('left', [close], baton)

  const { results } = await on('left', [execute('INSERT INTO t VALUES (2)'), close])
  expect(results[0]?.type).toBe('ok')
  expect(await count('left')).toEqual({ type: 'integer', value: '1' })
})

test('expires an idle stream with STREAM_EXPIRED and rolls it back', async () => {
  const baton = await open('idle', ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)'])

  // Nobody waits for the lock, so it is the stream's own time that runs out.
  await delay(streamTtlMs + 200)
  const reply = await send(`${harness.origin}/idle/v2/pipeline`, { baton, requests: [close] })

  expect(reply.status).toBe(400)
  expect(JSON.parse(reply.text)).toEqual({
    message: 'The stream has expired due to inactivity',
    code: 'STREAM_EXPIRED',
  })
  expect(await count('idle')).toEqual({ type: 'integer', value: '0' })
})

test('lets a write transaction keep the lock as long as nobody waits', async () => {
  const baton = await open('alone', ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)'])

  await delay(lockTimeoutMs + 50)
  const { results } = await on('alone', [execute('COMMIT'), close], baton)

  expect(results[0]?.type).toBe('ok')
  expect(await count('alone')).toEqual({ type: 'integer', value: '1' })
})

test('makes a writer wait for the transaction before it, without an error', async () => {
  const baton = await open('queue', ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)'])
  const order: string[] = []

  const waiting = on('queue', [execute('INSERT INTO t SELECT count(*) + 10 FROM t'), close]).then(
    (answer) => {
      order.push('second')
      return answer
    },
  )
  const read = await count('queue')
  order.push('read')
  await on('queue', [execute('COMMIT'), close], baton)
  const { results } = await waiting

  expect(read).toEqual({ type: 'integer', value: '0' })
  expect(order).toEqual(['read', 'second'])
  expect(results[0]?.type).toBe('ok')
  const { results: rows } = await on('queue', [execute('SELECT x FROM t ORDER BY x'), close])
  expect(rows[0]?.response?.result?.rows.flat()).toEqual([
    { type: 'integer', value: '1' },
    { type: 'integer', value: '11' },
  ])
})

test('takes the lock from a transaction that holds it too long while another waits', async () => {
  const baton = await open('steal', ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)'])

  const winner = await on('steal', [execute('INSERT INTO t VALUES (2)'), close])
  const loser = await on(
    'steal',
    [execute('INSERT INTO t VALUES (3)'), execute('INSERT INTO t VALUES (4)'), close],
    baton,
  )

  expect(winner.results[0]?.type).toBe('ok')
  expect(loser.results[0]?.error).toEqual({
    code: 'TRANSACTION_TIMEOUT',
    message: 'Transaction timed out',
  })
  // The next statement runs in autocommit, as on sqld: a client must stop at the error.
  expect(loser.results[1]?.type).toBe('ok')
  const { results } = await on('steal', [execute('SELECT x FROM t'), close])
  expect(results[0]?.response?.result?.rows.flat()).toEqual([
    { type: 'integer', value: '2' },
    { type: 'integer', value: '4' },
  ])
})

test('fails every step of a batch after its lock was taken', async () => {
  const baton = await open('steps', ['BEGIN IMMEDIATE'])
  await on('steps', [execute('INSERT INTO t VALUES (1)'), close])

  const steps = [{ stmt: { sql: 'SELECT 1' } }, { stmt: { sql: 'COMMIT' } }]
  const { results } = await on('steps', [{ type: 'batch', batch: { steps } }, close], baton)

  const errors = results[0]?.response?.result?.step_errors
  expect(errors?.map((error) => error?.code)).toEqual([
    'TRANSACTION_TIMEOUT',
    'TRANSACTION_TIMEOUT',
  ])
})

test('serves waiting writers in the order they came', async () => {
  const baton = await open('fifo', ['BEGIN IMMEDIATE'])
  const writers = [1, 2, 3, 4].map((x) =>
    on('fifo', [
      execute('BEGIN IMMEDIATE'),
      execute(`INSERT INTO t VALUES (${x})`),
      execute('COMMIT'),
      close,
    ]),
  )
  await count('fifo')

  await on('fifo', [execute('ROLLBACK'), close], baton)
  const answers = await Promise.all(writers)

  expect(answers.flatMap(({ results }) => results.map((result) => result.type))).toEqual(
    Array.from({ length: 16 }, () => 'ok'),
  )
})

test('answers SQLITE_BUSY when a read transaction turns to writing on a stale snapshot', async () => {
  const baton = await open('stale', ['INSERT INTO t VALUES (0)', 'BEGIN', 'SELECT * FROM t'])
  await on('stale', [execute('INSERT INTO t VALUES (1)'), close])

  const { results, baton: next } = await on(
    'stale',
    [execute('INSERT INTO t VALUES (2)'), execute('SELECT count(*) FROM t')],
    baton,
  )
  const retry = await on(
    'stale',
    [execute('ROLLBACK'), execute('INSERT INTO t VALUES (3)'), close],
    next,
  )

  expect(results[0]?.error).toEqual({
    code: 'SQLITE_BUSY',
    message: 'SQLite error: database is locked',
  })
  expect(results[1]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '1' }]])
  expect(retry.results.map((result) => result.type)).toEqual(['ok', 'ok', 'ok'])
  expect(await count('stale')).toEqual({ type: 'integer', value: '3' })
})

test.each([
  ['an EXPLAIN', ['EXPLAIN QUERY PLAN SELECT * FROM t', 'SELECT * FROM t']],
  ['a failed read', ["SELECT json_extract('{}', 'x') FROM t", 'SELECT * FROM t']],
  [
    'a failed write',
    ['INSERT INTO t (nope) VALUES (1)', "INSERT INTO t VALUES (json('x')) RETURNING x"],
  ],
  ['an answer too large', [`${series} SELECT hex(zeroblob(100000)) FROM c, t`]],
  ['a describe', ['SELECT * FROM t WHERE x = 1']],
])('holds no old snapshot after %s', async (what, sqls) => {
  const database = `snapshot-${what.replaceAll(' ', '-').toLowerCase()}`
  const baton = await open(database, ['INSERT INTO t VALUES (1)', ...sqls, ...sqls])
  await on(database, [execute('INSERT INTO t VALUES (2)'), close])

  const { results } = await on(
    database,
    [execute('SELECT count(*) FROM t'), execute('INSERT INTO t VALUES (3)'), close],
    baton,
  )

  expect(results[0]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '2' }]])
  expect(results[1]?.type).toBe('ok')
})

test('runs a failing write once', async () => {
  await open('once-only', [
    'CREATE TABLE hits (x)',
    "CREATE TRIGGER hit BEFORE INSERT ON t BEGIN INSERT INTO hits VALUES (1); SELECT RAISE(FAIL, 'no'); END",
    'INSERT INTO t VALUES (1) RETURNING x',
  ])

  const { results } = await on('once-only', [execute('SELECT count(*) FROM hits'), close])
  // FAIL keeps what the statement did before it: so each run would leave a row.
  expect(results[0]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '1' }]])
})

test('takes back a write whose caller hangs up while it waits for the lock', async () => {
  const baton = await open('gone', ['BEGIN IMMEDIATE'])
  const hangUp = new AbortController()
  const waiting = fetch(`${harness.origin}/gone/v2/pipeline`, {
    method: 'POST',
    body: JSON.stringify({ requests: [execute('INSERT INTO t VALUES (1)'), close] }),
    signal: hangUp.signal,
  }).catch(() => 'gone')
  await count('gone')

  hangUp.abort()
  await waiting
  // Two more turns, so that the server has seen the closed connection before the lock is free.
  await count('gone')
  await delay(20)
  await on('gone', [execute('COMMIT'), close], baton)

  expect(await count('gone')).toEqual({ type: 'integer', value: '0' })
})

test('gives a connection back as new: foreign keys on, no transaction', async () => {
  await on('alone', [execute('PRAGMA foreign_keys = OFF'), execute('BEGIN'), close])

  const { results } = await on('alone', [
    execute('PRAGMA foreign_keys'),
    execute('BEGIN'),
    execute('ROLLBACK'),
    close,
  ])

  expect(results[0]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '1' }]])
  expect(results[1]?.type).toBe('ok')
})

test('keeps a transaction of the official client to one stream at a time', async () => {
  await harness.engine.databases?.create('many')
  const client = createClient({ url: `${harness.origin}/many/` })
  await client.execute('CREATE TABLE t (x INTEGER)')

  const add = async (x: number): Promise<void> => {
    const transaction = await client.transaction('write')
    const { rows } = await transaction.execute('SELECT coalesce(sum(x), 0) AS total FROM t')
    await transaction.execute({
      sql: 'INSERT INTO t VALUES (? + 0 * ?)',
      args: [x, Number(rows[0]?.['total'])],
    })
    await transaction.commit()
  }
  await Promise.all(Array.from({ length: 10 }, (_, i) => add(i)))

  expect((await client.execute('SELECT sum(x) FROM t')).rows[0]?.[0]).toBe(45)
})
