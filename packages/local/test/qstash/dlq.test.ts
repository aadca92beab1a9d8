import { expect, test } from 'vitest'

import { openLab } from './harness.ts'
import type { Lab } from './harness.ts'
import { anyText, including, like } from './matching.ts'

/** Fails one message for each path; the destination answers 404 to all but `/fixed`. */
async function fail(lab: Lab, paths: readonly string[], more = {}): Promise<readonly string[]> {
  lab.respond = ({ target }) =>
    target === '/fixed' ? { status: 200 } : { status: 404, body: '404 Not Found' }
  const ids: string[] = []
  for (const path of paths) {
    const sent = await lab.client.publish({ url: `${lab.hook}/${path}`, retries: 0, ...more })
    ids.push(sent.messageId)
    await lab.advance('1s')
  }
  return ids
}

async function dead(lab: Lab): Promise<readonly string[]> {
  const { messages } = await lab.client.dlq.listMessages()
  return messages.map((one) => new URL(one.url).pathname.slice(1))
}

test('holds what failed, with the last response', async () => {
  await using lab = await openLab()

  const [messageId] = await fail(lab, ['a'], {
    body: 'x',
    label: ['l', 'm'],
    retryDelay: '2000 * retried',
    flowControl: { key: 'k', parallelism: 10, rate: 5, period: '1d' },
  })

  const [entry] = (await lab.client.dlq.listMessages()).messages
  expect(entry).toMatchObject({
    messageId,
    dlqId: like(/^\d+-\d+$/),
    url: `${lab.hook}/a`,
    body: 'x',
    label: 'l',
    labels: ['l', 'm'],
    maxRetries: 0,
    retryDelayExpression: '2000 * retried',
    flowControlKey: 'k',
    parallelism: 10,
    rate: 5,
    ratePerSecond: 5,
    period: 86_400,
    responseStatus: 404,
    responseBody: '404 Not Found',
    responseHeader: including({ Connection: ['keep-alive'] }),
  })
  const { json } = await lab.call('GET', `/v2/dlq/${entry?.dlqId}`)
  expect(json).toMatchObject({ messageId, responseBody: '404 Not Found' })
})

test('deletes one, and answers 404 the second time', async () => {
  await using lab = await openLab()
  await fail(lab, ['a'])
  const id = (await lab.client.dlq.listMessages()).messages[0]?.dlqId ?? ''

  await lab.client.dlq.delete(id)

  expect(await dead(lab)).toEqual([])
  await expect(lab.client.dlq.delete(id)).rejects.toMatchObject({ status: 404 })
  expect((await lab.call('GET', `/v2/dlq/${id}`)).status).toBe(404)
})

test('deletes many, by ids in the query or in the body, and says how many', async () => {
  await using lab = await openLab()
  await fail(lab, ['a', 'b', 'c', 'd', 'e'])
  const ids = (await lab.client.dlq.listMessages()).messages.map((one) => one.dlqId)

  const byQuery = await lab.client.dlq.delete([ids[0] ?? '', ids[1] ?? '', '0-0'])
  const body = JSON.stringify({ dlqIds: [ids[2], ids[3]] })
  const byBody = await lab.call('DELETE', '/v2/dlq', { body })

  expect(byQuery).toEqual({ deleted: 2 })
  expect(byBody.json).toEqual({ deleted: 2 })
  expect(await dead(lab)).toEqual(['e'])
})

test('filters: values of one field are alternatives, fields add up', async () => {
  await using lab = await openLab()
  const start = await lab.now()
  await fail(lab, ['a', 'b'], { label: 'red' })
  await fail(lab, ['c'], { label: ['red', 'blue'] })
  const listed = async (query: string) => {
    const { json } = await lab.call('GET', `/v2/dlq?${query}`)
    return (json['messages'] as { url: string }[]).map((one) => new URL(one.url).pathname.slice(1))
  }

  expect(await listed('label=blue')).toEqual(['c'])
  expect(await listed('label=blue&label=red')).toEqual(['a', 'b', 'c'])
  expect(await listed('label=blue,red')).toEqual(['a', 'b', 'c'])
  expect(await listed(`label=red&url=${encodeURIComponent(`${lab.hook}/a`)}`)).toEqual(['a'])
  expect(await listed('path=/b,/c')).toEqual(['b', 'c'])
  expect(await listed(`host=${new URL(lab.hook).host}`)).toEqual(['a', 'b', 'c'])
  expect(await listed('responseStatus=500')).toEqual([])
  expect(await listed('responseStatus=404&callerIp=127.0.0.1')).toEqual(['a', 'b', 'c'])
  expect(await listed(`fromDate=${start + 1000}&toDate=${start + 1000}`)).toEqual(['b'])
  expect(await listed('queueName=none')).toEqual([])
  expect(await listed('order=latestFirst&count=2')).toEqual(['c', 'b'])
})

test('refuses a query field it does not know', async () => {
  await using lab = await openLab()

  for (const [method, target] of [
    ['GET', '/v2/dlq?labeel=x'],
    ['DELETE', '/v2/dlq?labeel=x'],
    ['POST', '/v2/dlq/retry?labeel=x'],
    ['DELETE', '/v2/messages?labeel=x'],
    ['GET', '/v2/events?labeel=x'],
  ] as const) {
    expect([target, (await lab.call(method, target)).status]).toEqual([target, 400])
  }
})

test('pages with a cursor that is absent at the end', async () => {
  await using lab = await openLab()
  const paths = ['a', 'b', 'c', 'd', 'e']
  await fail(lab, paths)
  const seen: string[] = []
  const cursors: (string | undefined)[] = []

  let cursor: string | undefined
  do {
    const page: Awaited<ReturnType<typeof lab.client.dlq.listMessages>> =
      await lab.client.dlq.listMessages({ count: 2, filter: {}, ...(cursor && { cursor }) })
    seen.push(...page.messages.map((one) => new URL(one.url).pathname.slice(1)))
    cursors.push((cursor = page.cursor))
  } while (cursor !== undefined)

  expect(seen).toEqual(paths)
  expect(cursors.map((one) => typeof one)).toEqual(['string', 'string', 'undefined'])
})

test('retries everything page by page, as the client loops', async () => {
  await using lab = await openLab()
  await fail(lab, ['a', 'b', 'c', 'd', 'e'])
  lab.respond = () => ({ status: 200 })

  let retried = 0
  let cursor: string | undefined
  do {
    const page: Awaited<ReturnType<typeof lab.client.dlq.retry>> = await lab.client.dlq.retry({
      all: true,
      count: 2,
      ...(cursor && { cursor }),
    })
    retried += page.responses.length
    cursor = page.cursor
  } while (cursor !== undefined)
  await lab.advance(0)

  expect(retried).toBe(5)
  expect(await dead(lab)).toEqual([])
  expect(lab.received).toHaveLength(10)
})

test('deletes a page at a time, and says with a cursor that there is more', async () => {
  await using lab = await openLab()
  await fail(lab, ['a', 'b', 'c'])

  const first = await lab.client.dlq.delete({ all: true, count: 2 })
  const second = await lab.client.dlq.delete({ all: true, ...first })

  expect(first).toEqual({ deleted: 2, cursor: anyText })
  expect(second).toEqual({ deleted: 1 })
})

test('retries under a new id with the settings of the request, and leaves the DLQ', async () => {
  await using lab = await openLab()
  const [old] = await fail(lab, ['a'], {
    body: 'kept',
    headers: { 'My-Header': 'mine', 'content-type': 'text/plain' },
    label: 'l',
  })
  const { dlqId } = (await lab.client.dlq.listMessages()).messages[0] ?? { dlqId: '' }
  const headers = { 'upstash-delay': '1m', 'upstash-retries': '7', 'content-type': 'other/type' }

  const { status, json } = await lab.call('POST', `/v2/dlq/retry/${dlqId}`, { headers })
  const gone = await dead(lab)
  const message = await lab.client.messages.get(String(json['messageId']))
  lab.respond = () => ({ status: 200 })
  await lab.advance('1m')

  expect(status).toBe(201)
  expect(json['messageId']).not.toBe(old)
  expect(gone).toEqual([])
  expect(message).toMatchObject({ maxRetries: 7, label: 'l', body: 'kept' })
  const delivery = lab.received.at(-1)
  expect(delivery?.body.toString()).toBe('kept')
  expect(delivery?.headers).toMatchObject({ 'my-header': 'mine', 'content-type': 'text/plain' })
})

test('retries by ids with the answer the client reads', async () => {
  await using lab = await openLab()
  await fail(lab, ['a', 'b', 'c'])
  const ids = (await lab.client.dlq.listMessages()).messages.map((one) => one.dlqId)

  const { responses, cursor } = await lab.client.dlq.retry(ids.slice(0, 2))
  await lab.advance(0)

  expect(responses).toEqual([{ messageId: like(/^msg_/) }, { messageId: like(/^msg_/) }])
  expect(cursor).toBeUndefined()
  expect(await dead(lab)).toEqual(['c', 'a', 'b'])
})

test('where the documents are silent: one missing id fails the whole retry with 404', async () => {
  await using lab = await openLab()
  await fail(lab, ['a'])
  const id = (await lab.client.dlq.listMessages()).messages[0]?.dlqId ?? ''

  await expect(lab.client.dlq.retry([id, '0-0'])).rejects.toMatchObject({ status: 404 })
  expect(await dead(lab)).toEqual(['a'])
})

test('puts a retried message back into its queue', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })
  await lab.client.queue({ queueName: 'q' }).enqueue({ url: lab.hook, retries: 0 })
  await lab.advance(0)
  await lab.client.queue({ queueName: 'q' }).pause()

  const { responses } = await lab.client.dlq.retry({ filter: { queueName: 'q' } })

  const message = await lab.client.messages.get(responses[0]?.messageId ?? '')
  expect(message.queueName).toBe('q')
  expect((await lab.client.queue({ queueName: 'q' }).get()).lag).toBe(1)
})

test('keeps an entry as long as the plan says, and no more than its limit', async () => {
  await using lab = await openLab({ limits: { dlqEntries: 2 } })
  await fail(lab, ['a', 'b', 'c'])
  const full = await dead(lab)
  await lab.advance('6d')
  await fail(lab, ['d'])
  await lab.advance('2d')

  expect(full).toEqual(['b', 'c'])
  expect(await dead(lab)).toEqual(['d'])
})
