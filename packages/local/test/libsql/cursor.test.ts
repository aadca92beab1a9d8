import { afterAll, beforeAll, expect, test } from 'vitest'

import { execute, openHarness, pipeline, send } from './harness.ts'
import type { Harness } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness({ maxThreads: 2 })
  await pipeline(harness.origin, [
    { type: 'sequence', sql: 'CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2), (3)' },
    { type: 'close' },
  ])
})
afterAll(() => harness.close())

type Entry = { readonly type?: string; readonly baton?: string } & Record<string, unknown>

const step = (sql: string, condition?: unknown): unknown => ({
  stmt: { sql },
  ...(condition === undefined ? {} : { condition }),
})

async function cursor(
  steps: readonly unknown[],
  baton: string | null = null,
): Promise<readonly Entry[]> {
  const reply = await send(`${harness.origin}/v3/cursor`, { baton, batch: { steps } })
  expect(reply).toMatchObject({ status: 200, type: 'text/plain' })
  return linesOf(reply.text)
}

function readerOf(response: Response): ReadableStreamDefaultReader<Uint8Array> {
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader()
  if (reader === undefined) throw new Error('the answer has no body')
  return reader
}

function linesOf(text: string): readonly Entry[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry)
}

const series = (length: number): string =>
  `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${length}) SELECT i, hex(zeroblob(100)) FROM c`

test('sends the baton first, then each step’s begin, rows and end', async () => {
  const [head, ...entries] = await cursor([
    step('SELECT x FROM t WHERE x < 3'),
    step('INSERT INTO t VALUES (4)'),
  ])

  expect(head).toEqual({ baton: head?.baton, base_url: null })
  expect(typeof head?.baton).toBe('string')
  expect(entries).toEqual([
    { type: 'step_begin', step: 0, cols: [{ name: 'x', decltype: 'INTEGER' }] },
    { type: 'row', row: [{ type: 'integer', value: '1' }] },
    { type: 'row', row: [{ type: 'integer', value: '2' }] },
    { type: 'step_end', affected_row_count: 0, last_insert_rowid: null },
    { type: 'step_begin', step: 1, cols: [] },
    { type: 'step_end', affected_row_count: 1, last_insert_rowid: '4' },
  ])
})

test('says which step failed, and skips what depends on it', async () => {
  const [, ...entries] = await cursor([
    step('SELECT * FROM missing'),
    step('SELECT 1', { type: 'ok', step: 0 }),
    step('SELECT 2', { type: 'error', step: 0 }),
  ])

  expect(entries[0]).toEqual({
    type: 'step_error',
    step: 0,
    error: { code: 'SQLITE_UNKNOWN', message: 'SQLite error: no such table: missing' },
  })
  expect(entries.slice(1).map((entry) => [entry.type, entry['step']])).toEqual([
    ['step_begin', 2],
    ['row', undefined],
    ['step_end', undefined],
  ])
})

test('reports an error after some rows; the addon reads them by the hundred', async () => {
  const [, ...entries] = await cursor([
    step(
      `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 150)
       SELECT json(iif(i < 150, '1', 'x')) FROM c`,
    ),
  ])

  expect(entries[0]?.type).toBe('step_begin')
  expect(entries.filter((entry) => entry.type === 'row')).toHaveLength(100)
  expect(entries.at(-1)?.type).toBe('step_error')
})

test('carries more than one answer may hold', async () => {
  const entries = await cursor([step(series(60_000))])

  expect(entries).toHaveLength(60_000 + 3)
  expect(entries.at(-2)).toMatchObject({ row: [{ type: 'integer', value: '60000' }, {}] })
})

test('goes on with the stream’s transaction by its baton', async () => {
  const { baton } = await pipeline(harness.origin, [execute('BEGIN'), execute('DELETE FROM t')])

  const [head, ...entries] = await cursor([step('SELECT count(*) FROM t')], baton)
  const end = await pipeline(
    harness.origin,
    [execute('ROLLBACK'), { type: 'close' }],
    head?.baton ?? null,
  )

  expect(entries[1]).toMatchObject({ row: [{ value: '0' }] })
  expect(end.results[0]?.type).toBe('ok')
})

test('lets the next request of its stream wait until it has ended', async () => {
  const response = await fetch(`${harness.origin}/v3/cursor`, {
    method: 'POST',
    body: JSON.stringify({ batch: { steps: [step('BEGIN'), step(series(20_000))] } }),
  })
  const reader = readerOf(response)
  const first = new TextDecoder().decode((await reader.read()).value)
  const baton = linesOf(first.slice(0, first.indexOf('\n')))[0]?.baton ?? null
  const order: string[] = []

  const next = pipeline(harness.origin, [execute('COMMIT'), { type: 'close' }], baton).then(
    (answer) => {
      order.push('next')
      return answer
    },
  )
  while (!(await reader.read()).done);
  order.unshift('cursor')

  expect((await next).results[0]?.type).toBe('ok')
  expect(order).toEqual(['cursor', 'next'])
})

test('stops the query when its reader goes away, and frees the database', async () => {
  const endless = 'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c'
  const hangUp = new AbortController()
  const response = await fetch(`${harness.origin}/v3/cursor`, {
    method: 'POST',
    body: JSON.stringify({ batch: { steps: [step(endless)] } }),
    signal: hangUp.signal,
  })
  await readerOf(response).read()

  hangUp.abort()

  const [, ...entries] = await cursor([step('CREATE TABLE after_endless (x)'), step('SELECT 1')])
  expect(entries.map((entry) => entry.type)).not.toContain('step_error')
})

test('refuses a batch that is no SQL before anything has run', async () => {
  const reply = await send(`${harness.origin}/v3/cursor`, {
    batch: { steps: [step('DELETE FROM t'), step('SELEC 1')] },
  })

  expect(reply.status).toBe(400)
  const [, ...entries] = await cursor([step('SELECT count(*) > 0 FROM t')])
  expect(entries[1]).toMatchObject({ row: [{ value: '1' }] })
})
