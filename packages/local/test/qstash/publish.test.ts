import { Client } from '@upstash/qstash'
import { expect, test } from 'vitest'

import { devSigningKeys, devToken, freePlan } from '../../src/qstash/index.ts'
import { openLab } from './harness.ts'
import { anyText, like } from './matching.ts'

const never = '10d'

test('shows a published JSON message with its forwarded headers in canonical case', async () => {
  await using lab = await openLab()

  const { messageId } = await lab.client.publishJSON({
    url: 'https://example.com/',
    body: { hello: 'world' },
    headers: { 'test-header': 'v', 'Upstash-Forward-bypass-tunnel-reminder': 'client-test' },
    delay: never,
  })

  const message = await lab.client.messages.get(messageId)
  expect(messageId).toMatch(/^msg_/)
  expect(message.body).toBe('{"hello":"world"}')
  expect(message.header).toEqual({
    'Bypass-Tunnel-Reminder': ['client-test'],
    'Content-Type': ['application/json'],
    'Test-Header': ['v'],
  })
})

test('merges the global headers of a client as it sends them', async () => {
  await using lab = await openLab()
  const client = new Client({
    baseUrl: lab.url,
    token: devToken,
    headers: { 'TEST-CASE': 'upper', 'test-case': 'lower', 'stays-same': 'same', other: 'old' },
  })

  const { messageId } = await client.publish({
    url: 'https://example.com/',
    headers: { Other: 'new' },
    delay: never,
  })

  const headers = new Headers()
  const { header } = await lab.client.messages.get(messageId)
  for (const [name, values] of Object.entries(header ?? {})) headers.set(name, values.join(', '))
  expect(headers.get('test-case')).toBe('upper, lower')
  expect(headers.get('stays-same')).toBe('same')
  expect(headers.get('other')).toBe('new')
  expect(headers.get('upstash-telemetry-sdk')).toBeNull()
})

test('shows every setting of a message, and leaves out what was not set', async () => {
  await using lab = await openLab()
  const now = await lab.now()

  const full = await lab.client.publish({
    url: 'https://example.com/',
    method: 'PUT',
    delay: 60,
    retries: 5,
    retryDelay: '1000 * retried',
    callback: 'https://example.com/cb?foo=bar',
    failureCallback: 'https://example.com/fail',
    label: ['a', 'b'],
    flowControl: { key: 'k', parallelism: 10, rate: 5, period: '1d' },
    timeout: 90,
    body: 'text',
  })
  const bare = await lab.client.publish({ url: 'https://example.com/', delay: never })

  expect(await lab.client.messages.get(full.messageId)).toMatchObject({
    messageId: full.messageId,
    url: 'https://example.com/',
    method: 'PUT',
    maxRetries: 5,
    retryDelayExpression: '1000 * retried',
    callback: 'https://example.com/cb?foo=bar',
    failureCallback: 'https://example.com/fail',
    label: 'a',
    labels: ['a', 'b'],
    flowControlKey: 'k',
    parallelism: 10,
    rate: 5,
    ratePerSecond: 5,
    period: 86_400,
    createdAt: now,
    notBefore: now + 60_000,
    callerIP: '127.0.0.1',
    body: 'text',
  })
  const keys = Object.entries(await lab.client.messages.get(bare.messageId))
    .filter(([, value]) => value !== undefined)
    .map(([key]) => key)
  expect(keys.toSorted()).toEqual(
    ['callerIP', 'createdAt', 'maxRetries', 'messageId', 'method', 'notBefore', 'url'].toSorted(),
  )
})

test.each([
  ['rate=1', { rate: 1, period: 1 }],
  ['rate=23, period=1h30m3s', { rate: 23, period: 5403 }],
  ['Rate=20,Parallelism=10', { rate: 20, parallelism: 10, period: 1 }],
  ['parallelism=5', { parallelism: 5, period: 1 }],
  ['rate=5, period=60', { rate: 5, period: 60 }],
])('reads the flow control value %s', async (value, expected) => {
  await using lab = await openLab()
  const headers = {
    'upstash-flow-control-key': 'k',
    'upstash-flow-control-value': value,
    'upstash-delay': '1d',
  }

  const { json } = await lab.call('POST', '/v2/publish/https://example.com', { headers })

  const id = String(json['messageId'])
  const message = (await lab.call('GET', `/v2/messages/${id}`)).json
  expect(message).toMatchObject({ flowControlKey: 'k', ...expected })
  expect('parallelism' in message).toBe('parallelism' in expected)
  expect('rate' in message).toBe('rate' in expected)
})

test('delays by notBefore in seconds, which wins over a delay', async () => {
  await using lab = await openLab({ start: Date.UTC(2026, 0, 1) })
  const notBefore = Date.UTC(2026, 0, 2) / 1000

  const { messageId } = await lab.client.publish({ url: lab.hook, notBefore, delay: 5 })
  await lab.advance('23h')

  expect(lab.received).toHaveLength(0)
  expect((await lab.client.messages.get(messageId)).notBefore).toBe(notBefore * 1000)
  await lab.advance('1h')
  expect(lab.received.map((one) => one.at)).toEqual([notBefore * 1000])
})

test.each([
  ['50s', 50_000],
  ['1d10h30m', 124_200_000],
])('delays by %s', async (delay, expected) => {
  const start = Date.UTC(2026, 0, 1)
  await using lab = await openLab({ start })

  await lab.raw('POST', `/v2/publish/${lab.hook}`, { headers: { 'upstash-delay': delay } })
  await lab.advance('2d')

  expect(lab.received.map((one) => one.at - start)).toEqual([expected])
})

test('keeps a binary body byte for byte and shows it in base64', async () => {
  await using lab = await openLab()
  const body = Buffer.from([0, 255, 128, 10, 13])
  const headers = { 'content-type': 'application/octet-stream', 'upstash-delay': '1m' }

  const { json } = await lab.call('POST', `/v2/publish/${lab.hook}`, { headers, body })
  const message = (await lab.call('GET', `/v2/messages/${String(json['messageId'])}`)).json
  await lab.advance('1m')

  expect(message['body']).toBeUndefined()
  expect(message['bodyBase64']).toBe(body.toString('base64'))
  expect(lab.received[0]?.body).toEqual(body)
})

test('answers a batch item by item, a refused one with its error, and counts the accepted', async () => {
  await using lab = await openLab()
  await lab.client.urlGroups.addEndpoints({
    name: 'group',
    endpoints: [{ url: `${lab.hook}/1` }, { url: `${lab.hook}/2` }],
  })
  const items = [
    { destination: 'group', body: 'a', headers: { 'Upstash-Forward-Hello': '1' } },
    { destination: 'nobody' },
    { destination: `${lab.hook}/3`, queue: 'q', body: null },
    { destination: `${lab.hook}/4`, headers: { 'Upstash-Retries': 'many' } },
  ]

  const { status, json } = await lab.call('POST', '/v2/batch', { body: JSON.stringify(items) })
  await lab.advance(0)

  expect(status).toBe(200)
  expect(json).toMatchObject([
    [
      { messageId: like(/^msg_/), url: `${lab.hook}/1` },
      { messageId: like(/^msg_/), url: `${lab.hook}/2` },
    ],
    { error: anyText },
    { messageId: like(/^msg_/) },
    { error: anyText },
  ])
  expect(lab.messages.counted).toBe(3)
  expect(lab.received.map((one) => one.target).toSorted()).toEqual(['/1', '/2', '/3'])
})

test('returns a batch of one as an array', async () => {
  await using lab = await openLab()

  expect(await lab.client.batchJSON([{ url: lab.hook, body: { n: 1 } }])).toHaveLength(1)
})

test('refuses what it cannot read, and accepts nothing then', async () => {
  await using lab = await openLab({ limits: freePlan })
  const to = `/v2/publish/${lab.hook}`
  const bad: [string, Record<string, string>][] = [
    ['retries', { 'upstash-retries': '-1' }],
    ['retries', { 'upstash-retries': '1.5' }],
    ['delay', { 'upstash-delay': 'soon' }],
    ['delay beyond the plan', { 'upstash-delay': '8d' }],
    ['not-before', { 'upstash-not-before': 'tomorrow' }],
    ['method', { 'upstash-method': 'BREW' }],
    ['timeout', { 'upstash-timeout': 'x' }],
    ['retry delay', { 'upstash-retry-delay': 'retried(' }],
    ['callback', { 'upstash-callback': 'example.com' }],
    ['failure callback', { 'upstash-failure-callback': 'group' }],
    ['redaction', { 'upstash-redact-fields': 'url' }],
    ['flow key alone', { 'upstash-flow-control-key': 'k' }],
    ['flow value alone', { 'upstash-flow-control-value': 'rate=1' }],
    ['flow without a limit', { 'upstash-flow-control-key': 'k', 'upstash-flow-control-value': '' }],
    ['flow rate', { 'upstash-flow-control-key': 'k', 'upstash-flow-control-value': 'rate=0' }],
  ]

  for (const [what, headers] of bad) {
    const { status, json } = await lab.call('POST', to, { headers })
    expect([what, status, typeof json['error']]).toEqual([what, 400, 'string'])
  }
  expect((await lab.call('POST', '/v2/batch', { body: '{' })).status).toBe(400)
  expect((await lab.call('POST', '/v2/batch', { body: '{}' })).status).toBe(400)
  expect((await lab.call('GET', to)).status).toBe(405)
  await lab.advance('1d')
  expect(lab.received).toHaveLength(0)
  expect(lab.messages.counted).toBe(0)
})

test('answers 413 to a message above the limit of the plan', async () => {
  await using lab = await openLab({ limits: freePlan })
  const body = 'x'.repeat(1024 * 1024 + 1)

  const large = await lab.call('POST', `/v2/publish/${lab.hook}`, { body })
  const fitting = await lab.call('POST', `/v2/publish/${lab.hook}`, { body: body.slice(1) })

  expect([large.status, fitting.status]).toEqual([413, 200])
})

test('answers 429 as the daily limit once too much is pending', async () => {
  await using lab = await openLab({ limits: { pendingMessages: 1 } })
  await lab.client.publish({ url: lab.hook, delay: never })

  const second = lab.client.publish({ url: lab.hook, delay: never })

  await expect(second).rejects.toMatchObject({ name: 'QstashDailyRatelimitError', limit: '1' })
})

test('answers 401 without the right token, on every route but health', async () => {
  await using lab = await openLab()
  const targets = [
    ['POST', `/v2/publish/${lab.hook}`],
    ['POST', `/v2/publish/${lab.hook}?qstash_token=wrong`],
    ['POST', '/v2/batch'],
    ['GET', '/v2/keys'],
    ['GET', '/v2/events'],
    ['DELETE', '/v2/messages'],
    ['GET', '/nowhere'],
  ] as const

  for (const [method, target] of targets) {
    for (const token of [null, 'wrong', `${devToken}x`]) {
      const { status, text } = await lab.raw(method, target, { token })
      expect([status, target]).toEqual([401, target])
      expect(typeof (JSON.parse(text) as { error: unknown }).error).toBe('string')
    }
  }
  expect(JSON.parse((await lab.raw('GET', '/v2/readiness', { token: null })).text)).toEqual({
    ready: true,
  })
  expect((await lab.raw('GET', '/v2/liveness', { token: null })).text).toBe('OK')
})

test('is taken for the development server by a client in dev mode', async () => {
  await using lab = await openLab()
  process.env['QSTASH_DEV_PORT'] = new URL(lab.url).port
  try {
    const client = new Client({ devMode: true })

    const { messageId } = await client.publishJSON({ url: lab.hook, body: 1 })

    expect(messageId).toMatch(/^msg_/)
    expect((await lab.call('GET', '/v2/keys')).json).toEqual(devSigningKeys)
  } finally {
    delete process.env['QSTASH_DEV_PORT']
  }
})

test('answers 404 to an unknown route and to an unknown message', async () => {
  await using lab = await openLab()

  expect((await lab.call('GET', '/v2/nothing')).status).toBe(404)
  expect((await lab.call('GET', '/v2/messages/msg_x')).status).toBe(404)
  expect((await lab.call('DELETE', '/v2/messages/msg_x')).status).toBe(404)
  expect((await lab.call('GET', '/v2/constructor')).status).toBe(404)
})
