import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'

import { isFault, rootCall } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import { upstashRedis } from '../src/upstash-redis.ts'

const call = rootCall('req-9')
const once = { idempotent: false }
const again = { idempotent: true }
const command = ['SET', 'k', 'secret-value'] as const

type Heard = {
  readonly path: string
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: unknown
}

/** An address at which nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

let close = () => {}
afterEach(() => close())

/** A server that hears everything and answers with `reply`. */
async function serving(reply: RequestListener) {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      heard.push({
        path: request.url ?? '',
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()),
      })
      reply(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  close = () => {
    server.closeAllConnections()
    server.close()
  }
  return {
    heard,
    redis: upstashRedis({ name: 'hot', url: `http://127.0.0.1:${port}`, token: 't' }),
  }
}

const json =
  (status: number, body: unknown): RequestListener =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const cut: RequestListener = (request) => request.socket.destroy()
const html: RequestListener = (_, response) =>
  response.writeHead(502).end('<html>bad gateway</html>')

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work
  } catch (thrown) {
    return thrown
  }
}

function said(thrown: unknown): string {
  if (!isFault(thrown)) return 'bug'
  return 'reason' in thrown ? `${thrown.code} ${String(thrown.reason)}` : thrown.code
}

test('a command is one request, with the request id and the token, and without telemetry', async () => {
  const { redis, heard } = await serving(json(200, { result: 'OK' }))

  expect(await redis.run(command, call, once)).toBe('OK')

  expect(heard).toMatchObject([
    { path: '/', body: command, headers: { 'x-request-id': 'req-9', authorization: 'Bearer t' } },
  ])
  expect(Object.keys(heard[0]?.headers ?? {}).filter((name) => name.includes('telemetry'))).toEqual(
    [],
  )
  expect(heard[0]?.headers['upstash-encoding']).toBeUndefined()
})

test('a pipeline is one request, however long', async () => {
  const { redis, heard } = await serving(
    json(
      200,
      Array.from({ length: 100 }, (_, i) => ({ result: i })),
    ),
  )

  const answers = await redis.pipeline(
    Array.from({ length: 100 }, () => ['INCR', 'n']),
    call,
    once,
  )

  expect(answers).toHaveLength(100)
  expect(heard.map(({ path }) => path)).toEqual(['/pipeline'])
})

test('replies come as the server said them, digits and JSON untouched', async () => {
  const { redis } = await serving(json(200, { result: ['1', 1, null, ['{"a":1}', 'T0s=']] }))

  expect(await redis.run(['X'], call, once)).toEqual(['1', 1, null, ['{"a":1}', 'T0s=']])
})

describe('without an answer', () => {
  test('a command that is not idempotent is sent once, and is ambiguous', async () => {
    const { redis, heard } = await serving(cut)

    expect(said(await failure(redis.run(command, call, once)))).toBe('ambiguous_command')
    expect(heard).toHaveLength(1)
  })

  test('an idempotent command is sent at most three times', async () => {
    const { redis, heard } = await serving(cut)

    expect(said(await failure(redis.run(command, call, again)))).toBe('redis_unavailable network')
    expect(heard).toHaveLength(3)
  })

  test('an idempotent command outlives one cut connection', async () => {
    let first = true
    const { redis } = await serving((request, response) => {
      if (first) cut(request, response)
      else json(200, { result: 'OK' })(request, response)
      first = false
    })

    expect(await redis.run(command, call, again)).toBe('OK')
  })

  test('a server that is not there took nothing', async () => {
    const redis = upstashRedis({ name: 'hot', url: await deadUrl(), token: 't' })

    expect(said(await failure(redis.run(command, call, once)))).toBe('redis_unavailable network')
  })

  test('an abort is no success: ambiguous for a write, the reason for an idempotent command', async () => {
    const { redis } = await serving(() => caller.abort(new Error('hung up')))
    let caller = new AbortController()
    expect(said(await failure(redis.run(command, { ...call, signal: caller.signal }, once)))).toBe(
      'ambiguous_command',
    )

    caller = new AbortController()
    const read = failure(redis.run(['GET', 'k'], { ...call, signal: caller.signal }, again))

    expect(await read).toEqual(new Error('hung up'))
  })

  test('a pipeline with too few answers is ambiguous', async () => {
    const { redis } = await serving(json(200, [{ result: 'OK' }]))

    expect(said(await failure(redis.pipeline([command, command], call, once)))).toBe(
      'ambiguous_command',
    )
  })
})

describe('an error of the server', () => {
  test.for<[string, RequestListener, string, string]>([
    [
      'a refusal of Redis',
      json(400, { error: 'WRONGTYPE Operation against a key' }),
      'redis_command',
      'redis_command',
    ],
    [
      'a wrong token',
      json(401, { error: 'Unauthorized' }),
      'redis_unavailable unauthorized',
      'redis_unavailable unauthorized',
    ],
    [
      'a spent quota',
      json(400, { error: 'ERR max daily request limit exceeded. Limit: 10000' }),
      'redis_unavailable rate_limited',
      'redis_unavailable rate_limited',
    ],
    ['500', json(500, { error: 'internal' }), 'ambiguous_command', 'redis_unavailable server'],
    ['a proxy in the way', html, 'ambiguous_command', 'redis_unavailable server'],
  ])('%s is told apart', async ([, reply, write, read]) => {
    const { redis } = await serving(reply)

    expect(said(await failure(redis.run(command, call, once)))).toBe(write)
    expect(said(await failure(redis.run(command, call, again)))).toBe(read)
  })

  test.for([400, 500])('keeps what was stored out of the fault, at status %i', async (status) => {
    const error = status === 400 ? 'ERR syntax error' : 'internal error'
    const { redis } = await serving(json(status, { error }))

    const thrown = await failure(redis.run(command, call, once))

    expect(inspect(thrown)).toContain('Cannot')
    expect(inspect(thrown)).not.toContain('secret-value')
  })
})
