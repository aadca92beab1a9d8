import { expect, test } from 'vitest'

import { openLab } from './harness.ts'

const never = '10d'

test('cancels one that waits: it is gone, and never sent', async () => {
  await using lab = await openLab()
  const { messageId } = await lab.client.publish({ url: lab.hook, delay: 60 })

  const answer = await lab.client.messages.cancel(messageId)
  await lab.advance('1d')

  expect(answer).toEqual({ cancelled: 1 })
  expect(lab.received).toHaveLength(0)
  expect(await lab.states(messageId)).toEqual(['CREATED', 'CANCEL_REQUESTED', 'CANCELED'])
  await expect(lab.client.messages.get(messageId)).rejects.toMatchObject({ status: 404 })
})

test('answers a cancel with 202', async () => {
  await using lab = await openLab()
  const { messageId } = await lab.client.publish({ url: lab.hook, delay: 60 })

  expect((await lab.call('DELETE', `/v2/messages/${messageId}`)).status).toBe(202)
})

test.each([
  [200, ['CREATED', 'ACTIVE', 'CANCEL_REQUESTED', 'DELIVERED']],
  [500, ['CREATED', 'ACTIVE', 'CANCEL_REQUESTED', 'ERROR', 'CANCELED']],
])(
  'cancels one in flight: an answer of %i is recorded, and nothing is retried',
  async (status, states) => {
    await using lab = await openLab()
    const held: (() => void)[] = []
    lab.respond = () => new Promise((resolve) => held.push(() => resolve({ status })))
    const { messageId } = await lab.client.publish({ url: lab.hook })
    await expect.poll(() => held.length).toBe(1)

    const first = await lab.client.messages.cancel(messageId)
    const again = await lab.client.messages.cancel({ all: true })
    held[0]?.()
    await lab.advance('2d')

    expect(first).toEqual({ cancelled: 1 })
    expect(again).toEqual({ cancelled: 0 })
    expect(lab.received).toHaveLength(1)
    expect(await lab.states(messageId)).toEqual(states)
    expect((await lab.client.dlq.listMessages()).messages).toEqual([])
  },
)

test('cancels between two attempts', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })
  const { messageId } = await lab.client.publish({ url: lab.hook })
  await lab.advance(0)

  await lab.client.messages.delete(messageId)
  await lab.advance('30d')

  expect(lab.received).toHaveLength(1)
})

test('cancels many by ids in the query or in the body, then all that are left', async () => {
  await using lab = await openLab()
  const sent = await lab.client.batchJSON(
    Array.from({ length: 5 }, () => ({ url: lab.hook, body: 1, delay: never })),
  )
  const ids = sent.map((one) => ('messageId' in one ? one.messageId : ''))

  const byQuery = await lab.client.messages.deleteMany(ids.slice(0, 2))
  const body = JSON.stringify({ messageIds: [ids[2], ids[3], ids[0], 'msg_x'] })
  const byBody = (await lab.call('DELETE', '/v2/messages', { body })).json
  const rest = await lab.client.messages.deleteAll()

  expect(byQuery).toBe(2)
  expect(byBody).toEqual({ cancelled: 2 })
  expect(rest).toBe(1)
})

test('cancels all without parameters, as the Python client does', async () => {
  await using lab = await openLab()
  await lab.client.publish({ url: lab.hook, delay: never })
  await lab.client.publish({ url: lab.hook, delay: never })

  expect((await lab.call('DELETE', '/v2/messages')).json).toEqual({ cancelled: 2 })
})

test('cancels by filter, all that match, whatever count says', async () => {
  await using lab = await openLab()
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints: [{ url: 'https://a.b/x' }] })
  const publish = (more: object) =>
    lab.client.publish({ url: 'https://c.d/y', delay: never, ...more })
  for (let n = 0; n < 3; n += 1) await publish({ label: 'red' })
  await publish({ label: 'blue', flowControl: { key: 'k', rate: 1 } })
  await publish({})
  await lab.client.publish({ urlGroup: 'g', delay: never })

  const cancel = (filter: Parameters<typeof lab.client.messages.cancel>[0]) =>
    lab.client.messages.cancel(filter).then((answer) => answer.cancelled)
  expect(await cancel({ filter: { label: 'red' }, count: 1 })).toBe(3)
  expect(await cancel({ filter: { flowControlKey: 'k', label: 'red' } })).toBe(0)
  expect(await cancel({ filter: { flowControlKey: 'k' } })).toBe(1)
  expect(await cancel({ filter: { host: 'c.d' } })).toBe(1)
  expect(await cancel({ filter: { urlGroup: 'g' } })).toBe(1)
  expect(await cancel({ all: true })).toBe(0)
})

test('gives back the flow-control permit of a message it cancels before its connection is free', async () => {
  await using lab = await openLab({ limits: { parallelism: 1 } })
  const held: (() => void)[] = []
  lab.respond = () => new Promise((resolve) => held.push(() => resolve({ status: 200 })))
  await lab.client.publish({ url: `${lab.hook}/blocks` })
  await expect.poll(() => held.length).toBe(1)
  const flowControl = { key: 'k', parallelism: 1 }
  const { messageId } = await lab.client.publish({ url: `${lab.hook}/a`, flowControl })
  const taken = (await lab.client.flowControl.get('k')).parallelismCount

  await lab.client.messages.cancel(messageId)

  expect(taken).toBe(1)
  expect((await lab.client.flowControl.get('k')).parallelismCount).toBe(0)
  held[0]?.()
})

test('lists a cancel by filter as a finished bulk action', async () => {
  await using lab = await openLab()
  await lab.client.publish({ url: lab.hook, delay: never, label: 'x' })

  const { json } = await lab.call('DELETE', '/v2/messages?label=x,y&async=true')
  const actionId = String(json['actionId'])
  await lab.call('DELETE', '/v2/messages')

  expect(json['cancelled']).toBe(1)
  const now = await lab.now()
  const action = {
    actionId,
    kind: 'cancel',
    state: 'FINISHED',
    total: 1,
    processed: 1,
    createdAt: now,
    completedAt: now,
    filter: { label: ['x', 'y'] },
  }
  expect((await lab.call('GET', `/v2/bulkActions/${actionId}`)).json).toEqual(action)
  const first = (await lab.call('GET', '/v2/bulkActions?count=1')).json
  const second = (await lab.call('GET', `/v2/bulkActions?cursor=${String(first['cursor'])}`)).json
  expect(second).toEqual({ bulkActions: [action] })
  expect((await lab.call('GET', '/v2/bulkActions?state=NONE')).status).toBe(400)
  expect((await lab.call('GET', '/v2/bulkActions/x')).status).toBe(404)
})
