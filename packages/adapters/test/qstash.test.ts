import { createHmac, createHash } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { isFault, rootCall, type SignedDelivery } from '@stoa/kernel'
import { queueVerifierContract } from '@stoa/kernel/contract'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { qstashQueue, qstashVerifier } from '../src/qstash.ts'

const call = rootCall('req-3')
const message = { url: 'https://stoa.example/_inbox/orders', body: '{"events":[]}' }

type Heard = {
  readonly path: string
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: readonly {
    readonly destination: string
    readonly headers: Record<string, string>
    readonly body: string
  }[]
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
// The client tells the console of every failure, and cannot be asked not to.
beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined))
afterEach(() => close())

/** A QStash that hears everything and answers with `reply`. */
async function serving(reply: RequestListener) {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Heard['body']
      heard.push({ path: request.url ?? '', headers: request.headers, body })
      reply(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { heard, queue: qstashQueue({ url: `http://127.0.0.1:${port}`, token: 't' }) }
}

const json =
  (status: number, body: unknown): RequestListener =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const cut: RequestListener = (request) => request.socket.destroy()

async function said(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'published'
  } catch (thrown) {
    if (!isFault(thrown)) return 'bug'
    return 'reason' in thrown ? `${thrown.code} ${String(thrown.reason)}` : thrown.code
  }
}

test('messages go out in one request, each with its own settings', async () => {
  const { queue, heard } = await serving(
    json(200, [{ messageId: 'm1' }, { messageId: 'm2', deduplicated: true }]),
  )

  const answers = await queue.publish(
    [
      {
        ...message,
        headers: { 'content-type': 'application/json', 'x-kind': 'events' },
        deduplicationId: 'evt',
        delayMs: 1_500,
        retries: 5,
        label: 'orders',
        flowControl: { key: 'merchant-1', parallelism: 2, rate: 10, periodSeconds: 60 },
      },
      { ...message, notBefore: 1_790_000_000_001 },
    ],
    call,
  )

  expect(answers).toEqual([
    { messageId: 'm1', deduplicated: false },
    { messageId: 'm2', deduplicated: true },
  ])
  expect(heard).toHaveLength(1)
  expect(heard[0]).toMatchObject({
    path: '/v2/batch',
    headers: { 'x-request-id': 'req-3', authorization: 'Bearer t' },
    body: [{ destination: message.url, body: message.body }, { destination: message.url }],
  })
  expect(heard[0]?.body[0]?.headers).toEqual({
    'content-type': 'application/json',
    'upstash-forward-x-kind': 'events',
    'upstash-forward-x-request-id': 'req-3',
    'upstash-deduplication-id': 'evt',
    'upstash-delay': '2s',
    'upstash-flow-control-key': 'merchant-1',
    'upstash-flow-control-value': 'parallelism=2, rate=10, period=60s',
    'upstash-label': 'orders',
    'upstash-method': 'POST',
    'upstash-retries': '5',
  })
  expect(heard[0]?.body[1]?.headers['upstash-not-before']).toBe('1790000001')
})

test('a message that was refused does not hide those that were taken', async () => {
  const { queue } = await serving(json(200, [{ error: 'no such group' }, { messageId: 'm2' }, {}]))

  expect(await queue.publish([message, message, message], call)).toEqual([
    { error: 'no such group' },
    { messageId: 'm2', deduplicated: false },
    { error: 'QStash answered with neither an id nor an error' },
  ])
})

describe('without an answer', () => {
  test.for<[string, RequestListener, string]>([
    ['a cut connection', cut, 'ambiguous_publish'],
    ['500', json(500, { error: 'x' }), 'ambiguous_publish'],
    [
      'half an answer',
      (_, response) => response.writeHead(200).end('[{"messa'),
      'ambiguous_publish',
    ],
    ['too few answers', json(200, []), 'ambiguous_publish'],
    ['401', json(401, { error: 'x' }), 'queue_unavailable unauthorized'],
    ['400', json(400, { error: 'x' }), 'queue_unavailable rejected'],
    ['429', json(429, { error: 'x' }), 'queue_unavailable rate_limited'],
  ])('%s is told apart, and nothing is sent a second time', async ([, reply, expected]) => {
    const { queue, heard } = await serving(reply)

    expect(await said(queue.publish([message], call))).toBe(expected)
    expect(heard).toHaveLength(1)
  })

  test('a queue that is not there took nothing', async () => {
    const queue = qstashQueue({ url: await deadUrl(), token: 't' })

    expect(await said(queue.publish([message], call))).toBe('queue_unavailable network')
  })

  test('an abort after sending is ambiguous', async () => {
    const caller = new AbortController()
    const { queue } = await serving(() => caller.abort(new Error('hung up')))

    expect(await said(queue.publish([message], { ...call, signal: caller.signal }))).toBe(
      'ambiguous_publish',
    )
  })
})

const keys = { current: 'sig_current', next: 'sig_next' }

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A signature as QStash makes them: a JWT over the URL and the hash of the body. */
function signed(
  delivery: Omit<SignedDelivery, 'signature'>,
  options: { key?: string; ageSeconds?: number } = {},
): string {
  const at = Math.floor(Date.now() / 1000) - (options.ageSeconds ?? 0)
  const claims = {
    iss: 'Upstash',
    sub: delivery.url,
    iat: at,
    nbf: 0,
    exp: at + 300,
    jti: 'jwt_1',
    body: createHash('sha256').update(delivery.body).digest('base64url'),
  }
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${text}.${createHmac('sha256', options.key ?? keys.current)
    .update(text)
    .digest('base64url')}`
}

queueVerifierContract('qstashVerifier', () => ({
  verifier: qstashVerifier(keys),
  sign: async (delivery) => signed(delivery),
}))

describe('the verifier', () => {
  const verifier = qstashVerifier(keys)
  const verify = (signature: string) => said(verifier.verify({ ...message, signature }, call))

  test('believes the next key, so that keys can be rotated', async () => {
    expect(await verify(signed(message, { key: keys.next }))).toBe('published')
  })

  test('refuses an old key and an old signature', async () => {
    expect(await verify(signed(message, { key: 'sig_old' }))).toBe('bad_signature')
    expect(await verify(signed(message, { ageSeconds: 301 }))).toBe('bad_signature')
  })
})
