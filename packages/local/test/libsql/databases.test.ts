import { readdir } from 'node:fs/promises'

import { createClient } from '@libsql/client'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { DatabaseNameError } from '../../src/libsql/index.ts'
import { close, execute, openHarness, pipeline, send, sendToHost } from './harness.ts'
import type { Harness, PipelineAnswer } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness({ token: 'secret', readOnlyToken: 'looker' })
})
afterAll(() => harness.close())

const all = { authorization: 'Bearer secret' }
const one = { requests: [execute('SELECT 1'), close] }

function parse(text: string): PipelineAnswer {
  return JSON.parse(text) as PipelineAnswer
}

const rowsOf = (text: string): unknown => parse(text).results[0]?.response?.result?.rows

test('has a default database from the start, at the bare path', async () => {
  const reply = await send(`${harness.origin}/v2/pipeline`, one, all)

  expect(reply.status).toBe(200)
  expect(await harness.engine.databases?.list()).toContainEqual({
    name: 'default',
    url: `${harness.origin}/default/`,
    token: 'secret',
  })
})

test('reaches a database by path, by sqld’s dev path and by host name', async () => {
  await harness.engine.databases?.create('shop-1')
  const make = { requests: [execute('CREATE TABLE mark (x)'), close] }
  const look = { requests: [execute("SELECT name FROM sqlite_schema WHERE name = 'mark'"), close] }
  await send(`${harness.origin}/shop-1/v2/pipeline`, make, all)

  const byDevPath = await send(`${harness.origin}/dev/shop-1/v2/pipeline`, look, all)
  const elsewhere = await send(`${harness.origin}/v2/pipeline`, look, all)
  const byHost = await sendToHost(harness.origin, {
    host: 'shop-1.localhost',
    path: '/v3/pipeline',
    headers: all,
    body: look,
  })

  expect(rowsOf(byDevPath.text)).toEqual([[{ type: 'text', value: 'mark' }]])
  expect(rowsOf(byHost.text)).toEqual([[{ type: 'text', value: 'mark' }]])
  expect(rowsOf(elsewhere.text)).toEqual([])
})

test('gives URLs and tokens that the official client takes as they are', async () => {
  const database = await harness.engine.databases?.create('ready')

  const client = createClient({ url: database?.url ?? '', authToken: database?.token ?? '' })

  await client.execute('CREATE TABLE here (x)')
  const inReady = parse(
    (
      await send(
        `${harness.origin}/ready/v2/pipeline`,
        { requests: [execute('SELECT count(*) FROM here'), close] },
        all,
      )
    ).text,
  )
  expect(inReady.results[0]?.type).toBe('ok')
})

test('keeps what a database holds when it is created again', async () => {
  await harness.engine.databases?.create('twice')
  await send(
    `${harness.origin}/twice/v2/pipeline`,
    { requests: [execute('CREATE TABLE kept (x)'), close] },
    all,
  )

  await harness.engine.databases?.create('twice')

  const again = await send(
    `${harness.origin}/twice/v2/pipeline`,
    { requests: [execute('SELECT * FROM kept'), close] },
    all,
  )
  expect(parse(again.text).results[0]?.type).toBe('ok')
})

test('answers 404 for an unknown database and makes none', async () => {
  const reply = await send(`${harness.origin}/unknown/v2/pipeline`, one, all)

  expect(reply).toEqual({
    status: 404,
    type: 'application/json',
    text: '{"error":"Namespace `unknown` doesn\'t exist"}',
  })
  expect(await readdir(harness.dataDir)).not.toContain('unknown.db')
})

test.each(['', 'A', '-a', 'a_b', 'a/b', '../a', 'a'.repeat(64)])(
  'creates no database called %j',
  async (name) => {
    await expect(harness.engine.databases?.create(name)).rejects.toBeInstanceOf(DatabaseNameError)
  },
)

test('names the database of a request, so that faults can be aimed', () => {
  const { engine } = harness
  const of = (target: string, host: string): string | undefined =>
    engine.databaseOf({ target, headers: { host } } as unknown as Parameters<
      typeof engine.databaseOf
    >[0])

  expect(of('/v2/pipeline', '127.0.0.1:8791')).toBe('default')
  expect(of('/v2/pipeline', 'localhost:8791')).toBe('default')
  expect(of('/v2/pipeline', 'orders.localhost:8791')).toBe('orders')
  expect(of('/v2/pipeline', '[::1]:8791')).toBe('default')
  expect(of('/orders/v2/pipeline?x=1', '127.0.0.1:8791')).toBe('orders')
  expect(of('/dev/orders/v2/pipeline', '127.0.0.1:8791')).toBe('orders')
  expect(of('/v2/v2/pipeline', '127.0.0.1:8791')).toBe('v2')
})

test.each([
  [{}, 'The `Authorization` HTTP header is required but was not specified'],
  [{ authorization: 'Bearer wrong' }, 'The JWT is invalid'],
  [{ authorization: 'Bearer ' }, 'The JWT is invalid'],
  [
    { authorization: 'Basic secret' },
    'The authentication scheme in the `Authorization` HTTP header is not supported',
  ],
])('answers 401 to %j', async (headers, detail) => {
  const reply = await send(`${harness.origin}/v2/pipeline`, one, headers)

  expect(reply.status).toBe(401)
  expect(JSON.parse(reply.text)).toEqual({ error: `Unauthorized: \`${detail}\`` })
})

test('asks for the token before it tells whether a database exists', async () => {
  expect((await send(`${harness.origin}/unknown/v2/pipeline`, one)).status).toBe(401)
})

test.each([
  'CREATE TABLE x (a)',
  'INSERT INTO sqlite_schema VALUES (1)',
  'DELETE FROM sqlite_schema',
  'PRAGMA user_version = 1',
  'DROP TABLE x',
])('refuses %s to the read-only token; the documents are silent about the text', async (sql) => {
  const reply = await send(
    `${harness.origin}/v2/pipeline`,
    { requests: [execute(sql), execute('SELECT 1'), close] },
    { authorization: 'Bearer looker' },
  )

  const { results } = parse(reply.text)
  expect(results[0]?.error).toEqual({
    code: 'BLOCKED',
    message: 'Operation was blocked: the token is read-only',
  })
  expect(results[1]?.type).toBe('ok')
})

test('answers 413 to a body beyond 20 MB', async () => {
  const reply = await send(
    `${harness.origin}/v2/pipeline`,
    { requests: [execute(`SELECT '${'x'.repeat(20_000_000)}'`)] },
    all,
  )

  expect(reply.status).toBe(413)
})

test('answers 429 past 128 requests to one database at a time, but to no stream already open', async () => {
  await harness.engine.databases?.create('busy')
  const busy = `${harness.origin}/busy/v2/pipeline`
  const { text } = await send(
    busy,
    { requests: [execute('CREATE TABLE t (x)'), execute('BEGIN IMMEDIATE')] },
    all,
  )
  const write = { requests: [execute('INSERT INTO t VALUES (1)'), close] }

  // All but one wait for the lock; the last finds no room.
  const writers = Array.from({ length: 129 }, () => send(busy, write, all))
  const refused = await Promise.race(writers)
  const other = await send(`${harness.origin}/v2/pipeline`, one, all)
  const holder = await send(busy, { baton: parse(text).baton, requests: [close] }, all)

  expect(refused).toMatchObject({
    status: 429,
    text: '{"error":"Too many concurrent requests"}',
  })
  expect(other.status).toBe(200)
  expect(holder.status).toBe(200)
  const statuses = (await Promise.all(writers)).map((reply) => reply.status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(128)
})

test('finds its databases again after a restart', async () => {
  const first = await openHarness()
  await first.engine.databases?.create('stays')
  await pipeline(`${first.origin}/stays`, [execute('CREATE TABLE t (x)'), close])
  const { dataDir } = first
  await first.engine.close()

  const second = await openHarness({ dataDir })
  const { results } = await pipeline(`${second.origin}/stays`, [execute('SELECT * FROM t'), close])
  const names = (await second.engine.databases?.list())?.map((database) => database.name)
  await second.close()
  await first.close()

  expect(names).toEqual(['default', 'stays'])
  expect(results[0]?.type).toBe('ok')
})
