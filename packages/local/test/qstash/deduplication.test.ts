import { expect, test } from 'vitest'

import { openLab } from './harness.ts'

test('accepts a deduplication id once in ten minutes: 202, the old id, nothing sent', async () => {
  await using lab = await openLab()
  const headers = { 'upstash-deduplication-id': 'abc' }
  const publish = () => lab.call('POST', `/v2/publish/${lab.hook}`, { headers, body: 'x' })

  const first = await publish()
  await lab.advance('9m59s')
  const second = await publish()
  await lab.advance('1s')
  const third = await publish()
  await lab.advance(0)

  expect([first.status, second.status, third.status]).toEqual([200, 202, 200])
  expect(second.json).toEqual({ messageId: first.json['messageId'], deduplicated: true })
  expect(third.json['messageId']).not.toBe(first.json['messageId'])
  expect(lab.received).toHaveLength(2)
  expect(lab.messages.counted).toBe(2)
})

test('deduplicates by content: destination, body, content type and forwarded headers', async () => {
  await using lab = await openLab()
  const send = (url: string, body: string, headers: Record<string, string> = {}) =>
    lab.client.publish({ url, body, headers, contentBasedDeduplication: true })

  const first = await send(`${lab.hook}/a`, 'x', { b: '1', a: '2' })
  const same = await send(`${lab.hook}/a`, 'x', { a: '2', b: '1' })
  await send(`${lab.hook}/b`, 'x', { a: '2', b: '1' })
  await send(`${lab.hook}/a`, 'y', { a: '2', b: '1' })
  await send(`${lab.hook}/a`, 'x', { a: '3', b: '1' })
  await send(`${lab.hook}/a`, 'x', { 'content-type': 'text/html', a: '2', b: '1' })
  await lab.advance(0)

  expect(same).toEqual({ messageId: first.messageId, deduplicated: true })
  expect(lab.received).toHaveLength(5)
})

test('reads the Python spelling True', async () => {
  await using lab = await openLab()
  const headers = { 'upstash-content-based-deduplication': 'True' }
  const publish = () => lab.call('POST', `/v2/publish/${lab.hook}`, { headers, body: 'x' })

  expect([(await publish()).status, (await publish()).status]).toEqual([200, 202])
})

test('deduplicates a URL group as a whole, and items of a batch one by one', async () => {
  await using lab = await openLab()
  const endpoints = [{ url: `${lab.hook}/1` }, { url: `${lab.hook}/2` }]
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints })

  const group = await lab.client.publish({ urlGroup: 'g', deduplicationId: 'g' })
  const again = await lab.client.publish({ urlGroup: 'g', deduplicationId: 'g' })
  const item = { destination: lab.hook, headers: { 'upstash-deduplication-id': 'b' } }
  const batch = await lab.call('POST', '/v2/batch', { body: JSON.stringify([item, item]) })

  expect(again).toEqual(group.map((one) => ({ ...one, deduplicated: true })))
  const [first, second] = batch.json
  expect(second).toEqual({ ...Object(first), deduplicated: true })
})
