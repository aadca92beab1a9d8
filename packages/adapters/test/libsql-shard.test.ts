import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { type BatchMode, type Fetcher, isFault, rootCall, type Statement } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { libsqlShard } from '../src/libsql.ts'

const url = 'http://127.0.0.1:1/orders-00'
const call = rootCall('req-7')
const insert: Statement = { sql: 'INSERT INTO t VALUES (?, ?, ?)', args: [5, 0.5, 2n ** 60n] }
const select: Statement = { sql: 'SELECT 1', args: [] }

type HranaStatement = {
  readonly sql?: string
  readonly sql_id?: number
  readonly args?: unknown
}
type HranaRequest =
  | { readonly type: 'store_sql'; readonly sql_id: number; readonly sql: string }
  | {
      readonly type: 'batch'
      readonly batch: { readonly steps: { readonly stmt: HranaStatement }[] }
    }
  | { readonly type: 'execute'; readonly stmt: HranaStatement }
  | { readonly type: 'close' }
type Failing = { readonly step: string; readonly code: string; readonly message: string }
type Seen = {
  readonly request: Request
  readonly requests: readonly HranaRequest[]
  /** The statements, in the order of their steps. */
  readonly texts: readonly string[]
}

const done = { cols: [], rows: [], affected_row_count: 1, last_insert_rowid: null }

/** A Hrana 2 server of one answer: every step succeeds, but for the one that begins with `fail.step`. */
function answering(fail?: Failing) {
  const seen: Seen[] = []
  const fetcher: Fetcher = async (request) => {
    const body = (await request.clone().json()) as { readonly requests: readonly HranaRequest[] }
    const texts = textsOf(body.requests)
    seen.push({ request, requests: body.requests, texts })
    const results = body.requests.map((one) => ({
      type: 'ok',
      response: respond(one.type, texts, fail),
    }))
    return Response.json({ baton: null, base_url: null, results })
  }
  return { fetcher, seen }
}

function stepsOf(requests: readonly HranaRequest[]): readonly HranaStatement[] {
  return requests.flatMap((one) => {
    if (one.type === 'execute') return [one.stmt]
    return one.type === 'batch' ? one.batch.steps.map((step) => step.stmt) : []
  })
}

function textsOf(requests: readonly HranaRequest[]): readonly string[] {
  const stored = new Map(
    requests.flatMap((one) => (one.type === 'store_sql' ? [[one.sql_id, one.sql]] : [])),
  )
  return stepsOf(requests).map((step) => step.sql ?? stored.get(step.sql_id ?? -1) ?? '')
}

function respond(type: HranaRequest['type'], texts: readonly string[], fail?: Failing): unknown {
  if (type === 'execute') return { type, result: done }
  if (type !== 'batch') return { type }
  const failed = fail ? texts.findIndex((text) => text.startsWith(fail.step)) : texts.length
  return {
    type,
    result: {
      step_results: texts.map((_, i) => (i < failed ? done : null)),
      step_errors: texts.map((_, i) => (i === failed ? fail : null)),
    },
  }
}

const shardOn = (fetch: Fetcher) => libsqlShard({ name: 'orders-00', url, token: 'secret', fetch })

/** What a batch of `mode` fails with when its request ends in `fetch`. */
async function failure(fetch: Fetcher, mode: BatchMode, signal = call.signal): Promise<unknown> {
  try {
    await shardOn(fetch).batch([mode === 'write' ? insert : select], mode, { ...call, signal })
    return undefined
  } catch (thrown) {
    return thrown
  }
}

const status = (code: number, body = 'x', type = 'text/plain'): Fetcher => {
  return async () => new Response(body, { status: code, headers: { 'content-type': type } })
}

const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
const refusing: Fetcher = async () => {
  throw new TypeError('fetch failed', { cause: refused })
}
const cut: Fetcher = async () => {
  throw new TypeError('fetch failed')
}
const torn: Fetcher = async () =>
  new Response('{"baton":null,"resul', { headers: { 'content-type': 'application/json' } })

/** Never answers: the caller hangs up as soon as the request is out. */
function hang(caller: AbortController): Fetcher {
  return (request) =>
    new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => reject(request.signal.reason))
      caller.abort(new Error('hung up'))
    })
}

/** The code of a fault, and its reason where it has one. */
function said(thrown: unknown): string {
  if (!isFault(thrown)) return 'bug'
  return 'reason' in thrown ? `${thrown.code} ${String(thrown.reason)}` : thrown.code
}

describe('a batch', () => {
  test('is one request, which begins and ends a write, however many statements it has', async () => {
    const { fetcher, seen } = answering()

    const statements = Array.from({ length: 50 }, (_, i) => ({
      ...insert,
      sql: `${insert.sql} -- ${i}`,
    }))
    const answers = await shardOn(fetcher).batch([...statements, ...statements], 'write', call)

    expect(answers).toHaveLength(100)
    expect(seen).toHaveLength(1)
    const texts = seen[0]?.texts ?? []
    expect([texts[0], ...texts.slice(-2)]).toEqual(['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK'])
    expect(seen[0]?.requests.at(-1)).toEqual({ type: 'close' })
  })

  test('carries the request id, the token and the path of the database', async () => {
    const { fetcher, seen } = answering()

    await shardOn(fetcher).batch([insert], 'write', call)

    const request = seen[0]?.request
    expect(request?.url).toBe(`${url}/v2/pipeline`)
    expect(request?.headers.get('x-request-id')).toBe('req-7')
    expect(request?.headers.get('authorization')).toBe('Bearer secret')
  })

  test('sends whole numbers as integers and fractions as floats', async () => {
    const { fetcher, seen } = answering()

    await shardOn(fetcher).batch([insert], 'write', call)

    expect(stepsOf(seen[0]?.requests ?? [])[1]?.args).toEqual([
      { type: 'integer', value: '5' },
      { type: 'float', value: 0.5 },
      { type: 'integer', value: String(2n ** 60n) },
    ])
  })

  test('reads one SELECT without a transaction, and several in one', async () => {
    const { fetcher, seen } = answering()

    await shardOn(fetcher).batch([select], 'read', call)
    await shardOn(fetcher).batch([select, select], 'read', call)

    expect(seen.map(({ texts }) => texts[0])).toEqual(['SELECT 1', 'BEGIN TRANSACTION READONLY'])
  })

  test('that cannot be bound flies as a bug, and is not sent', async () => {
    const { fetcher, seen } = answering()

    const write = shardOn(fetcher).batch([{ sql: 'SELECT ?', args: [Number.NaN] }], 'write', call)

    await expect(write).rejects.toBeInstanceOf(RangeError)
    expect(seen).toEqual([])
  })
})

describe('without an answer', () => {
  test.for<[string, Fetcher, string, string]>([
    ['a cut connection', cut, 'ambiguous_write', 'shard_unavailable network'],
    ['a refused connection', refusing, 'shard_unavailable network', 'shard_unavailable network'],
    ['half an answer', torn, 'ambiguous_write', 'shard_unavailable server'],
    ['500', status(500), 'ambiguous_write', 'shard_unavailable server'],
    [
      '502 from a proxy',
      status(502, '<html>', 'text/html'),
      'ambiguous_write',
      'shard_unavailable server',
    ],
    [
      '503 with a Hrana error',
      status(503, '{"message":"x","code":"X"}', 'application/json'),
      'ambiguous_write',
      'shard_unavailable server',
    ],
    [
      '401',
      status(401, '{"message":"x","code":"AUTH_JWT_INVALID"}', 'application/json'),
      'shard_unavailable unauthorized',
      'shard_unavailable unauthorized',
    ],
    [
      '401 whose JSON is none',
      status(401, 'Unauthorized', 'application/json'),
      'ambiguous_write',
      'shard_unavailable unauthorized',
    ],
    ['403', status(403), 'shard_unavailable unauthorized', 'shard_unavailable unauthorized'],
    [
      '404',
      status(404),
      'shard_unavailable unknown_database',
      'shard_unavailable unknown_database',
    ],
    ['429', status(429), 'shard_busy', 'shard_busy'],
  ])('%s is told apart', async ([, fetcher, write, read]) => {
    expect(said(await failure(fetcher, 'write'))).toBe(write)
    expect(said(await failure(fetcher, 'read'))).toBe(read)
  })

  test('an abort leaves a write ambiguous and gives a read its reason', async () => {
    const [writer, reader] = [new AbortController(), new AbortController()]

    expect(await failure(hang(writer), 'write', writer.signal)).toMatchObject({
      code: 'ambiguous_write',
    })
    expect(await failure(hang(reader), 'read', reader.signal)).toEqual(new Error('hung up'))
  })

  test('nothing is sent a second time', async () => {
    let count = 0
    const fetcher: Fetcher = (request) => {
      count += 1
      return cut(request)
    }

    await failure(fetcher, 'write')
    await failure(fetcher, 'read')

    expect(count).toBe(2)
  })

  test('a real connection that is cut after the request is ambiguous, a closed port is not', async () => {
    const server = createServer((request) =>
      request.resume().on('end', () => request.socket.destroy()),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const shard = libsqlShard({ name: 'real', url: `http://127.0.0.1:${port}` })

    await expect(shard.batch([insert], 'write', call)).rejects.toMatchObject({
      code: 'ambiguous_write',
    })
    await new Promise((resolve) => server.close(resolve))
    await expect(shard.batch([insert], 'write', call)).rejects.toMatchObject({
      code: 'shard_unavailable',
    })
  })
})

describe('an answer with an error', () => {
  test.for<[string, string, string, string]>([
    ['BEGIN', 'SQLITE_BUSY', 'database is locked', 'shard_busy'],
    ['INSERT', 'TRANSACTION_TIMEOUT', 'Transaction timed-out', 'shard_busy'],
    ['INSERT', 'SQLITE_INTERRUPT', 'interrupted', 'shard_unavailable'],
    ['INSERT', 'SQLITE_IOERR', 'disk I/O error', 'shard_unavailable'],
    ['COMMIT', 'SQLITE_IOERR', 'disk I/O error', 'ambiguous_write'],
    ['COMMIT', 'SQLITE_BUSY', 'database is locked', 'shard_busy'],
    [
      'COMMIT',
      'SQLITE_CONSTRAINT',
      'SQLite error: FOREIGN KEY constraint failed',
      'sql_constraint',
    ],
    ['INSERT', 'SQL_WRITE_BLOCKED', 'SQL write operations are forbidden', 'shard_unavailable'],
    [
      'INSERT',
      'SQLITE_ERROR',
      "SQLite error: bad JSON path: 'SHARD_FENCED|02D|5|frozen|'",
      'shard_fenced',
    ],
    ['INSERT', 'SQLITE_UNKNOWN', 'SQLite error: no such table: t', 'bug'],
  ])('in %s, %s "%s", is %s', async ([step, code, message, expected]) => {
    const { fetcher } = answering({ step, code, message })

    const thrown = await failure(fetcher, 'write')

    expect(isFault(thrown) ? thrown.code : 'bug').toBe(expected)
    expect(thrown).toBeInstanceOf(Error)
  })
})

test.for(['ws://127.0.0.1:1', 'wss://x.example', 'file:x.db', 'x'])(
  'a shard has no URL like %s',
  (other) => {
    expect(() => libsqlShard({ name: 'x', url: other })).toThrow(TypeError)
  },
)
