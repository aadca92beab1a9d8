import { expect, test } from 'vitest'

import { openLab } from './harness.ts'

test('pages strictly back in time with the client, one entry at a time', async () => {
  await using lab = await openLab()
  await lab.client.publish({ url: lab.hook })
  await lab.client.publish({ url: lab.hook })
  await lab.advance(0)
  const positions: number[] = []
  const states: string[] = []

  let cursor: string | undefined
  do {
    const page: Awaited<ReturnType<typeof lab.client.logs>> = await lab.client.logs({
      filter: {},
      count: 1,
      ...(cursor && { cursor }),
    })
    states.push(...page.logs.map((one) => one.state))
    cursor = page.cursor
    if (cursor !== undefined) positions.push(Number(cursor.split('-')[0]))
  } while (cursor !== undefined)

  expect(states).toHaveLength(6)
  expect(positions).toEqual(positions.toSorted((a, b) => b - a))
  expect(new Set(positions).size).toBe(5)
})

test('has no cursor field on the last page, under either name', async () => {
  await using lab = await openLab()
  await lab.client.publish({ url: lab.hook })

  const events = (await lab.call('GET', '/v2/events')).json
  const logs = (await lab.call('GET', '/v2/logs')).json

  expect(Object.keys(events)).toEqual(['events'])
  expect(Object.keys(logs)).toEqual(['logs'])
  expect(logs['logs']).toEqual(events['events'])
})

test('goes forward with order=earliestFirst, and takes a time in ms for a cursor', async () => {
  const start = Date.UTC(2026, 0, 1)
  await using lab = await openLab({ start })
  for (let n = 0; n < 3; n += 1) {
    await lab.client.publish({ url: `${lab.hook}/${n}` })
    await lab.advance('1m')
  }
  const urls = async (query: string) => {
    const { json } = await lab.call('GET', `/v2/events?state=CREATED&${query}`)
    return (json['events'] as { url: string }[]).map((one) => one.url.at(-1))
  }

  expect(await urls('')).toEqual(['2', '1', '0'])
  expect(await urls('order=earliestFirst')).toEqual(['0', '1', '2'])
  expect(await urls(`cursor=${start + 90_000}`)).toEqual(['1', '0'])
  expect(await urls(`order=earliestFirst&cursor=${start + 90_000}`)).toEqual(['2'])
  expect(await urls(`fromDate=${start + 60_000}&toDate=${start + 60_000}`)).toEqual(['1'])
})

test('filters by message, label, state, queue, group, schedule and status', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) => ({ status: target === '/bad' ? 503 : 200 })
  const good = await lab.client.publish({ url: `${lab.hook}/ok`, label: ['x', 'y'] })
  const bad = await lab.client.publish({ url: `${lab.hook}/bad`, retries: 1 })
  await lab.client.queue({ queueName: 'q' }).enqueue({ url: `${lab.hook}/queued` })
  await lab.advance(0)
  const states = async (query: string) => {
    const { json } = await lab.call('GET', `/v2/logs?order=earliestFirst&${query}`)
    return (json['logs'] as { state: string }[]).map((one) => one.state)
  }

  const delivered = ['CREATED', 'ACTIVE', 'DELIVERED']
  expect(await states(`messageId=${good.messageId}`)).toEqual(delivered)
  expect(await states('label=y')).toEqual(delivered)
  expect(await states('queueName=q')).toEqual(delivered)
  expect(await states(`messageId=${bad.messageId}&state=IN_PROGRESS`)).toEqual([
    'ACTIVE',
    'ERROR',
    'RETRY',
  ])
  expect(await states('responseStatus=503')).toEqual(['ERROR'])
  expect(await states('topicName=none')).toEqual([])
  const both = await lab.client.logs({ messageIds: [good.messageId, bad.messageId] })
  expect(both.logs).toHaveLength(7)
})

test('shows what a log entry carries', async () => {
  await using lab = await openLab()
  const { messageId } = await lab.client.publishJSON({
    url: lab.hook,
    body: { a: 1 },
    headers: { 'My-Header': 'mine', 'Upstash-Callback-Forward-C': 'c' },
    callback: `${lab.hook}/callback`,
    timeout: '2m',
    delay: '1h',
    retryDelay: '1000',
  })

  const { json } = await lab.call('GET', `/v2/logs?messageId=${messageId}`)

  expect(json['logs']).toEqual([
    {
      time: await lab.now(),
      messageId,
      state: 'CREATED',
      url: lab.hook,
      method: 'POST',
      header: { 'My-Header': ['mine'], 'Content-Type': ['application/json'] },
      body: Buffer.from('{"a":1}').toString('base64'),
      callback: `${lab.hook}/callback`,
      callbackHeader: { C: ['c'] },
      callbackHeaders: { C: ['c'] },
      timeout: 120_000,
      maxRetries: 3,
      retryDelayExpression: '1000',
      retryDelayExpr: '1000',
      callerIP: '127.0.0.1',
    },
  ])
})

test('keeps so many entries and drops the oldest', async () => {
  await using lab = await openLab({ limits: { logEntries: 300 } })
  const items = Array.from({ length: 500 }, (_, n) => ({ url: `${lab.hook}/${n}` }))

  await lab.client.batch(items)
  await lab.advance(0)

  const { json } = await lab.call('GET', '/v2/logs?count=1000')
  const logs = json['logs'] as { state: string }[]
  expect(logs.length).toBeGreaterThanOrEqual(300)
  expect(logs.length).toBeLessThan(800)
  expect(logs[0]?.state).toBe('DELIVERED')
})

test('drops a large body from the log once the message is done', async () => {
  await using lab = await openLab({ limits: { logBodyBytes: 10 } })
  const large = await lab.client.publish({ url: lab.hook, body: 'x'.repeat(11) })
  const small = await lab.client.publish({ url: lab.hook, body: 'x'.repeat(10) })
  await lab.advance(0)

  const bodyOf = async (messageId: string) =>
    (await lab.client.logs({ filter: { messageId } })).logs[0]?.body
  expect(await bodyOf(large.messageId)).toBeUndefined()
  expect(await bodyOf(small.messageId)).toBe(Buffer.from('x'.repeat(10)).toString('base64'))
})

test('refuses a cursor that is none', async () => {
  await using lab = await openLab()

  expect((await lab.call('GET', '/v2/events?cursor=yesterday')).status).toBe(400)
})
