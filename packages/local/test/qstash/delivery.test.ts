import { Receiver } from '@upstash/qstash'
import { expect, test } from 'vitest'

import { devSigningKeys } from '../../src/qstash/index.ts'
import { openLab } from './harness.ts'
import type { Received } from './harness.ts'
import { like } from './matching.ts'

function verify(
  received: Received | undefined,
  keys: { current: string; next: string },
  url: string,
) {
  const receiver = new Receiver({ currentSigningKey: keys.current, nextSigningKey: keys.next })
  return receiver.verify({
    signature: received?.headers['upstash-signature'] ?? '',
    body: received?.body.toString() ?? '',
    url,
  })
}

function read(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}

function fetchNever(): Promise<never> {
  return Promise.reject(new Error('a name that does not resolve was called'))
}

test('delivers the body untouched with the documented headers', async () => {
  await using lab = await openLab()

  const { messageId } = await lab.client.publishJSON({
    url: `${lab.hook}/in`,
    body: { hello: 'wörld' },
    headers: { 'My-Header': 'mine', 'User-Agent': 'me', Host: 'evil', Connection: 'close' },
  })
  await lab.advance(0)

  const [got] = lab.received
  expect(got?.method).toBe('POST')
  expect(got?.body.toString()).toBe('{"hello":"wörld"}')
  expect(got?.headers).toMatchObject({
    'content-type': 'application/json',
    'my-header': 'mine',
    'user-agent': 'Upstash-QStash',
    'upstash-message-id': messageId,
    'upstash-retried': '0',
    'upstash-caller-ip': '127.0.0.1',
    host: new URL(lab.hook).host,
  })
  expect(await lab.states(messageId)).toEqual(['CREATED', 'ACTIVE', 'DELIVERED'])
})

test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const)('delivers by %s', async (method) => {
  await using lab = await openLab()

  await lab.client.publish({ url: lab.hook, method, ...(method === 'GET' ? {} : { body: 'x' }) })
  await lab.advance(0)

  expect(lab.received.map((one) => one.method)).toEqual([method])
})

test('signs the empty body that a GET really sends', async () => {
  await using lab = await openLab()

  await lab.client.publish({ url: lab.hook, method: 'GET', body: 'not sent' })
  await lab.advance(0)

  expect(lab.received[0]?.body).toHaveLength(0)
  expect(await verify(lab.received[0], devSigningKeys, lab.hook)).toBe(true)
})

test('is believed by the official Receiver, with the current key and after a rotation with the next', async () => {
  await using lab = await openLab()
  await lab.client.publishJSON({ url: lab.hook, body: { n: 1 } })
  await lab.advance(0)

  const rotated = (await lab.call('POST', '/v2/keys/rotate')).json as unknown as {
    current: string
    next: string
  }
  await lab.client.publishJSON({ url: lab.hook, body: { n: 2 } })
  await lab.advance(0)

  expect(rotated.current).toBe(devSigningKeys.next)
  expect(rotated.next).toMatch(/^sig_\w{28}$/)
  expect((await lab.call('GET', '/v2/keys')).json).toEqual(rotated)
  const [before, after] = lab.received
  expect(await verify(before, devSigningKeys, lab.hook)).toBe(true)
  // A consumer that has not rotated yet accepts the new current key as its next one.
  expect(await verify(after, devSigningKeys, lab.hook)).toBe(true)
  expect(await verify(after, rotated, lab.hook)).toBe(true)
  await expect(verify(before, rotated, lab.hook)).rejects.toThrow(/signature verification failed/)
})

test('does not let the Receiver accept another body, another URL or other keys', async () => {
  await using lab = await openLab()
  await lab.client.publish({ url: lab.hook, body: 'true' })
  await lab.advance(0)

  const [got] = lab.received
  if (got === undefined) throw new Error('nothing was delivered')
  const forged = { ...got, body: Buffer.from('false') }
  await expect(verify(forged, devSigningKeys, lab.hook)).rejects.toThrow(/body hash/)
  await expect(verify(got, devSigningKeys, `${lab.hook}/x`)).rejects.toThrow(/invalid subject/)
  await expect(verify(got, { current: 'a', next: 'b' }, lab.hook)).rejects.toThrow(
    /signature verification failed/,
  )
})

test('makes the claims of the documentation', async () => {
  const start = Date.UTC(2026, 5, 1)
  await using lab = await openLab({ start })
  await lab.client.publish({ url: lab.hook, body: 'x' })
  await lab.advance(0)

  const [head = '', payload = ''] = lab.received[0]?.headers['upstash-signature']?.split('.') ?? []
  expect(read(head)).toEqual({ alg: 'HS256', typ: 'JWT' })
  expect(read(payload)).toEqual({
    iss: 'Upstash',
    sub: lab.hook,
    iat: start / 1000,
    exp: start / 1000 + 300,
    nbf: 0,
    jti: like(/^jwt_\w+$/),
    body: 'LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE',
  })
})

test('takes 2xx only for success and does not follow redirects', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) => ({
    status: Number(target.slice(1)),
    headers: { location: `${lab.hook}/200` },
  })
  const ids = new Map<number, string>()
  for (const status of [200, 201, 204, 299, 302, 400, 404, 500]) {
    const url = `${lab.hook}/${status}`
    ids.set(status, (await lab.client.publish({ url, retries: 0 })).messageId)
  }

  await lab.advance(0)

  const { messages } = await lab.client.dlq.listMessages()
  expect(messages.map((one) => one.responseStatus)).toEqual([302, 400, 404, 500])
  expect(lab.received).toHaveLength(8)
  expect((await lab.states(ids.get(302) ?? '')).at(-1)).toBe('FAILED')
})

test('ends an attempt at the timeout of the message, in engine time', async () => {
  await using lab = await openLab()
  const held: (() => void)[] = []
  lab.respond = () => new Promise((resolve) => held.push(() => resolve({ status: 200 })))

  const { messageId } = await lab.client.publish({ url: lab.hook, timeout: 10, retries: 0 })
  await lab.advance('9s')
  const early = await lab.states(messageId)
  await lab.advance('1s')

  expect(early).toEqual(['CREATED', 'ACTIVE'])
  expect(await lab.states(messageId)).toEqual(['CREATED', 'ACTIVE', 'ERROR', 'FAILED'])
  const [dead] = (await lab.client.dlq.listMessages()).messages
  expect(dead?.responseBody).toMatch(/timed out/)
  for (const release of held) release()
})

test('where the documents are silent: a host that does not resolve is status 0 with the reason as body', async () => {
  await using lab = await openLab({ fetch: fetchNever, limits: { lookupTimeoutMs: 500 } })
  const began = performance.now()

  await lab.client.publish({ url: 'http://no-such-host.invalid/', retries: 0 })
  await lab.advance(0)

  const [dead] = (await lab.client.dlq.listMessages()).messages
  expect(dead?.responseStatus).toBe(0)
  expect(dead?.responseBody).toMatch(/no-such-host\.invalid/)
  expect(performance.now() - began).toBeLessThan(1500)
})

test('fails an attempt on a refused connection with the reason', async () => {
  await using lab = await openLab()
  const gone = await openLab()
  await gone.close()

  const { messageId } = await lab.client.publish({ url: gone.hook, retries: 0 })
  await lab.advance(0)

  const { logs } = await lab.client.logs({ filter: { messageId, state: 'ERROR' } })
  expect(logs[0]?.error).toMatch(/ECONNREFUSED/)
})

test('calls the mapped origin for a destination host, and signs the real one', async () => {
  await using spare = await openLab()
  await using lab = await openLab({ resolveHosts: { 'example.com': spare.hook } })

  await lab.client.publish({ url: 'https://example.com/a?b=1', body: 'x' })
  await lab.advance(0)

  expect(spare.received[0]?.target).toBe('/a?b=1')
  expect(spare.received[0]?.headers['x-forwarded-host']).toBe('example.com')
  expect(await verify(spare.received[0], devSigningKeys, 'https://example.com/a?b=1')).toBe(true)
})

test('keeps only so much of a long reply', async () => {
  await using lab = await openLab({ limits: { responseBytes: 1000 } })
  lab.respond = () => ({ status: 500, body: 'y'.repeat(100_000) })

  await lab.client.publish({ url: lab.hook, retries: 0 })
  await lab.advance(0)

  expect((await lab.client.dlq.listMessages()).messages[0]?.responseBody).toBe('y'.repeat(1000))
})

test('never has more deliveries under way than the plan allows, and makes them all', async () => {
  await using lab = await openLab({ limits: { parallelism: 7 } })
  let most = 0
  const held: (() => void)[] = []
  lab.respond = () =>
    new Promise((resolve) => {
      held.push(() => resolve({ status: 200 }))
      most = Math.max(most, held.length)
      if (held.length < 7) return
      // An eighth would have time to come before these are answered.
      setTimeout(() => held.splice(0).forEach((release) => release()), 10)
    })

  await lab.client.batch(Array.from({ length: 35 }, (_, n) => ({ url: `${lab.hook}/${n}` })))
  await lab.advance(0)

  expect(lab.received).toHaveLength(35)
  expect(most).toBe(7)
})
