import { createHash } from 'node:crypto'

import { expect, test } from 'vitest'

import { openLab } from './harness.ts'

function redacted(text: string): string {
  return `REDACTED:${createHash('sha256').update(text).digest('hex')}`
}

test('shows the hash of the body and of the named header, and delivers the originals', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })

  const { messageId } = await lab.client.publish({
    url: lab.hook,
    body: 'secret',
    headers: { Authorization: 'Bearer s', Open: 'shown' },
    redact: { body: true, header: ['Authorization'] },
    retries: 0,
    delay: 1,
  })
  const message = await lab.client.messages.get(messageId)
  await lab.advance('1s')
  const [dead] = (await lab.client.dlq.listMessages()).messages
  const [log] = (await lab.client.logs({ filter: { messageId } })).logs

  for (const shown of [message, dead]) {
    expect(shown?.body).toBe(redacted('secret'))
    expect(shown?.header).toMatchObject({ Authorization: [redacted('Bearer s')], Open: ['shown'] })
  }
  expect(log?.body).toBe(redacted('secret'))
  const delivery = lab.received[0]
  expect(delivery?.body.toString()).toBe('secret')
  expect(delivery?.headers['authorization']).toBe('Bearer s')
})

test('delivers the originals again when retried from the DLQ', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })
  await lab.client.publish({ url: lab.hook, body: 's', retries: 0, redact: { body: true } })
  await lab.advance(0)

  const { responses } = await lab.client.dlq.retry({ all: true })
  const again = await lab.client.messages.get(responses[0]?.messageId ?? '').catch(() => undefined)
  await lab.advance(0)

  expect(lab.received.map((one) => one.body.toString())).toEqual(['s', 's'])
  expect(again === undefined || again.body === redacted('s')).toBe(true)
})

test.each(['header', 'headers'])('redacts all headers by the name "%s"', async (field) => {
  await using lab = await openLab()
  const headers = {
    'upstash-redact-fields': field,
    'upstash-forward-a': '1',
    'upstash-delay': '1h',
    'content-type': 'text/plain',
  }

  const { json } = await lab.call('POST', `/v2/publish/${lab.hook}`, { headers, body: 'open' })

  const message = (await lab.call('GET', `/v2/messages/${String(json['messageId'])}`)).json
  expect(message['header']).toEqual({
    A: [redacted('1')],
    'Content-Type': [redacted('text/plain')],
  })
  expect(message['body']).toBe('open')
})

test('redacts schedules and the messages they make', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })

  const { scheduleId } = await lab.client.schedules.create({
    destination: lab.hook,
    cron: '* * * * *',
    body: 'secret',
    redact: { body: true },
  })
  await lab.advance('1m')

  expect((await lab.client.schedules.get(scheduleId)).body).toBe(redacted('secret'))
  const messageId = lab.received[0]?.headers['upstash-message-id'] ?? ''
  expect((await lab.client.messages.get(messageId)).body).toBe(redacted('secret'))
  expect(lab.received[0]?.body.toString()).toBe('secret')
})
