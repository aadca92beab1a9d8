import { Receiver } from '@upstash/qstash'
import { expect, test } from 'vitest'

import { devSigningKeys } from '../../src/qstash/index.ts'
import { openLab } from './harness.ts'
import type { Lab } from './harness.ts'
import { including } from './matching.ts'

const start = Date.UTC(2026, 0, 1)

function bodiesAt(lab: Lab, target: string): readonly Record<string, unknown>[] {
  return lab.received
    .filter((one) => one.target === target)
    .map((one) => JSON.parse(one.body.toString()) as Record<string, unknown>)
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

test('tells the callback what the destination answered', async () => {
  await using lab = await openLab({ start })
  lab.respond = ({ target }) =>
    target === '/in'
      ? { status: 201, body: 'created', headers: { 'X-Kind': 'k' } }
      : { status: 200 }

  const { messageId } = await lab.client.publish({
    url: `${lab.hook}/in`,
    method: 'PUT',
    body: 'source',
    headers: { 'My-Header': 'mine', 'content-type': 'text/plain' },
    delay: 5,
    callback: `${lab.hook}/callback?foo=bar`,
  })
  await lab.advance('5s')

  const [body] = bodiesAt(lab, '/callback?foo=bar')
  expect(body).toEqual({
    status: 201,
    header: including({ 'X-Kind': ['k'] }),
    body: base64('created'),
    retried: 0,
    maxRetries: 3,
    sourceMessageId: messageId,
    url: `${lab.hook}/in`,
    method: 'PUT',
    sourceHeader: { 'My-Header': ['mine'], 'Content-Type': ['text/plain'] },
    sourceBody: base64('source'),
    notBefore: String(start + 5000),
    createdAt: String(start),
    callerIP: '127.0.0.1',
  })
})

test('is called after every attempt, the failure callback once, with the DLQ id', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) => ({ status: target === '/in' ? 500 : 200, body: 'no' })

  const { messageId } = await lab.client.publish({
    url: `${lab.hook}/in`,
    retries: 2,
    callback: `${lab.hook}/callback`,
    failureCallback: `${lab.hook}/failure`,
  })
  await lab.advance('1d')

  const callbacks = bodiesAt(lab, '/callback')
  const failures = bodiesAt(lab, '/failure')
  const [dead] = (await lab.client.dlq.listMessages()).messages
  expect(callbacks.map((one) => [one['retried'], one['maxRetries'], one['status']])).toEqual([
    [0, 2, 500],
    [1, 2, 500],
    [2, 2, 500],
  ])
  expect(callbacks.map((one) => one['dlqId'])).toEqual([undefined, undefined, undefined])
  expect(failures).toMatchObject([
    { retried: 2, sourceMessageId: messageId, dlqId: dead?.dlqId, body: base64('no') },
  ])
})

test('does not call the failure callback when the message is delivered in the end', async () => {
  await using lab = await openLab()
  lab.respond = ({ target, headers }) => ({
    status: target === '/in' && headers['upstash-retried'] === '0' ? 500 : 200,
  })

  await lab.client.publish({ url: `${lab.hook}/in`, failureCallback: `${lab.hook}/failure` })
  await lab.advance('1d')

  expect(bodiesAt(lab, '/failure')).toEqual([])
})

test('where the documents are silent: 489 calls the failure callback', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) =>
    target === '/in'
      ? { status: 489, headers: { 'Upstash-NonRetryable-Error': 'true' } }
      : { status: 200 }

  await lab.client.publish({ url: `${lab.hook}/in`, failureCallback: `${lab.hook}/failure` })
  await lab.advance(0)

  expect(bodiesAt(lab, '/failure')).toMatchObject([{ status: 489, retried: 0, maxRetries: 3 }])
})

test('is an ordinary message: own id, signed, retried as the source, on its own settings when given', async () => {
  await using lab = await openLab({ start: Date.now() })
  lab.respond = ({ target }) => ({ status: target === '/in' ? 200 : 500 })

  await lab.client.publish({
    url: `${lab.hook}/in`,
    retries: 1,
    callback: `${lab.hook}/inherits`,
  })
  await lab.client.publish({
    url: `${lab.hook}/in`,
    callback: `${lab.hook}/own`,
    headers: {
      'Upstash-Callback-Method': 'PUT',
      'Upstash-Callback-Retries': '2',
      'Upstash-Callback-Retry-Delay': '1000',
      'Upstash-Callback-Forward-Secret': 's3cret',
      'Upstash-Callback-Delay': '10s',
    },
  })
  await lab.advance('1d')

  const own = lab.received.filter((one) => one.target === '/own')
  const inherits = lab.received.filter((one) => one.target === '/inherits')
  expect(inherits.map((one) => one.headers['upstash-retried'])).toEqual(['0', '1'])
  expect(own.map((one) => one.at - (own[0]?.at ?? 0))).toEqual([0, 1000, 2000])
  expect((own[0]?.at ?? 0) - (lab.received[0]?.at ?? 0)).toBe(10_000)
  expect(own[0]?.method).toBe('PUT')
  expect(own[0]?.headers['secret']).toBe('s3cret')
  expect(own[0]?.headers['upstash-message-id']).not.toBe(
    (JSON.parse(own[0]?.body.toString() ?? '') as Record<string, unknown>)['sourceMessageId'],
  )
  const { current, next } = devSigningKeys
  const receiver = new Receiver({ currentSigningKey: current, nextSigningKey: next })
  expect(
    await receiver.verify({
      signature: own[0]?.headers['upstash-signature'] ?? '',
      body: own[0]?.body.toString() ?? '',
      url: `${lab.hook}/own`,
    }),
  ).toBe(true)
})

test('where the documents are silent: without an answer the status is 0 and the body the reason', async () => {
  await using lab = await openLab()
  const gone = await openLab()
  await gone.close()

  await lab.client.publish({ url: gone.hook, retries: 0, callback: `${lab.hook}/callback` })
  await lab.advance(0)

  const [body] = bodiesAt(lab, '/callback')
  expect(body?.['status']).toBe(0)
  expect(Buffer.from(String(body?.['body']), 'base64').toString()).toMatch(/ECONNREFUSED/)
})

test('carries the names of the URL group, the endpoint and the schedule', async () => {
  await using lab = await openLab({ start })
  const endpoints = [{ name: 'n', url: `${lab.hook}/in` }]
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints })
  const { scheduleId } = await lab.client.schedules.create({
    destination: 'g',
    cron: '* * * * *',
    callback: `${lab.hook}/callback`,
  })

  await lab.advance('1m')

  expect(bodiesAt(lab, '/callback')).toMatchObject([
    { topicName: 'g', endpointName: 'n', scheduleId },
  ])
})
