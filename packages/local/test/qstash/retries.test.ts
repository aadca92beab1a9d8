import { expect, test } from 'vitest'

import { defaultBackoffMs } from '../../src/qstash/backoff.ts'
import { openLab } from './harness.ts'
import { like } from './matching.ts'

const start = Date.UTC(2026, 0, 1)

test('follows the whole default back-off schedule to the millisecond, then fails', async () => {
  await using lab = await openLab({ start })
  lab.respond = () => ({ status: 500 })
  const began = performance.now()

  const { messageId } = await lab.client.publish({ url: lab.hook, retries: 6 })
  await lab.advance('4d')

  const gaps = lab.received.map((one, n) => one.at - (lab.received[n - 1]?.at ?? start))
  expect(gaps).toEqual([0, ...[1, 2, 3, 4, 5, 6].map(defaultBackoffMs)])
  expect(lab.received.map((one) => one.headers['upstash-retried'])).toEqual('0123456'.split(''))
  expect(await lab.states(messageId)).toEqual([
    'CREATED',
    ...Array.from({ length: 6 }, () => ['ACTIVE', 'ERROR', 'RETRY']).flat(),
    'ACTIVE',
    'ERROR',
    'FAILED',
  ])
  expect(performance.now() - began).toBeLessThan(1000)
})

test('retries three times unless told otherwise', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })

  await lab.client.publish({ url: lab.hook })
  await lab.advance('30d')

  expect(lab.received).toHaveLength(4)
})

test('stops retrying at the first success', async () => {
  await using lab = await openLab()
  lab.respond = ({ headers }) => ({ status: headers['upstash-retried'] === '2' ? 204 : 503 })

  const { messageId } = await lab.client.publish({ url: lab.hook })
  await lab.advance('30d')

  expect(lab.received).toHaveLength(3)
  expect((await lab.states(messageId)).at(-1)).toBe('DELIVERED')
  expect((await lab.client.dlq.listMessages()).messages).toEqual([])
})

test('waits by the expression of the publisher', async () => {
  await using lab = await openLab({ start })
  lab.respond = () => ({ status: 500 })

  await lab.client.publish({ url: lab.hook, retries: 3, retryDelay: 'pow(2, retried) * 1000' })
  await lab.advance('1d')

  expect(lab.received.map((one) => one.at - start)).toEqual([0, 1000, 3000, 7000])
})

test('waits as the response asks, again after each attempt', async () => {
  await using lab = await openLab({ start })
  const asked = ['0', '10', '6m5s', 'Thu, 01 Jan 2026 00:10:00 GMT', '2d']
  lab.respond = ({ headers }) => ({
    status: 429,
    headers: { 'Retry-After': asked[Number(headers['upstash-retried'])] ?? '' },
  })

  await lab.client.publish({ url: lab.hook, retries: 5 })
  await lab.advance('3d')

  const byDefault = defaultBackoffMs(5)
  expect(lab.received.map((one) => one.at - start)).toEqual([
    0,
    0,
    10_000,
    375_000,
    600_000,
    600_000 + byDefault,
  ])
})

test('fails at once on 489 with Upstash-NonRetryable-Error, and only with both', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) => ({
    status: target === '/other' ? 488 : 489,
    headers: target === '/bare' ? {} : { 'Upstash-NonRetryable-Error': 'true' },
  })
  for (const path of ['both', 'bare', 'other']) {
    await lab.client.publish({ url: `${lab.hook}/${path}`, retries: 1 })
  }

  await lab.advance('1d')

  const tries = (path: string) => lab.received.filter((one) => one.target === path).length
  expect([tries('/both'), tries('/bare'), tries('/other')]).toEqual([1, 2, 2])
})

test('logs the response of a failed attempt and when the next one is due', async () => {
  await using lab = await openLab({ start })
  lab.respond = () => ({ status: 418, body: 'short and stout', headers: { 'X-Pot': 'tea' } })

  const { messageId } = await lab.client.publish({ url: lab.hook, retries: 1 })
  await lab.advance(0)

  const { json } = await lab.call('GET', `/v2/logs?messageId=${messageId}&order=earliestFirst`)
  const logs = json['logs'] as Record<string, unknown>[]
  const nextDeliveryTime = start + defaultBackoffMs(1)
  expect(logs.map((one) => one['state'])).toEqual(['CREATED', 'ACTIVE', 'ERROR', 'RETRY'])
  expect(logs[2]).toMatchObject({
    responseStatus: 418,
    responseBody: Buffer.from('short and stout').toString('base64'),
    nextDeliveryTime,
    error: like(/418/),
  })
  expect(logs[2]?.['responseHeaders']).toMatchObject({ 'X-Pot': ['tea'] })
  expect(logs[3]).toMatchObject({ nextDeliveryTime })
})

test('keeps a message that waits for its retry fetchable', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })

  const { messageId } = await lab.client.publish({ url: lab.hook, retries: 1 })
  await lab.advance(0)
  const waiting = await lab.client.messages.get(messageId)
  await lab.advance('1h')

  expect(waiting.messageId).toBe(messageId)
  await expect(lab.client.messages.get(messageId)).rejects.toMatchObject({ status: 404 })
})
