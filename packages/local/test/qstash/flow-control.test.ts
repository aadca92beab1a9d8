import { expect, test } from 'vitest'

import { openLab } from './harness.ts'
import type { Lab } from './harness.ts'

const start = Date.UTC(2026, 0, 1)

type Flow = {
  readonly rate?: number
  readonly parallelism?: number
  readonly period?: string
  readonly key?: string
}

async function publish(lab: Lab, count: number, flow: Flow) {
  const { rate, parallelism, period, key = 'k' } = flow
  const parts = [
    rate === undefined ? undefined : `rate=${rate}`,
    parallelism === undefined ? undefined : `parallelism=${parallelism}`,
    period === undefined ? undefined : `period=${period}`,
  ]
  const headers = {
    'Upstash-Flow-Control-Key': key,
    'Upstash-Flow-Control-Value': parts.filter((part) => part !== undefined).join(', '),
  }
  const items = Array.from({ length: count }, () => ({
    destination: `${lab.hook}/${key}`,
    headers,
  }))
  await lab.call('POST', '/v2/batch', { body: JSON.stringify(items) })
}

test('never delivers more in a period than the rate, and all of them in the end', async () => {
  await using lab = await openLab({ start })

  await publish(lab, 25, { rate: 10, period: '1m' })
  await lab.advance('10m')

  const perMinute = [0, 0, 0]
  for (const { at } of lab.received)
    perMinute[(at - start) / 60_000] = (perMinute[(at - start) / 60_000] ?? 0) + 1
  expect(perMinute).toEqual([10, 10, 5])
})

test('counts a retry against the rate like any delivery', async () => {
  await using lab = await openLab({ start })
  lab.respond = () => ({ status: 500 })
  await lab.client.publish({
    url: lab.hook,
    retries: 3,
    retryDelay: '0',
    flowControl: { key: 'k', rate: 1, period: 10 },
  })

  await lab.advance('1h')

  expect(lab.received.map((one) => one.at - start)).toEqual([0, 10_000, 20_000, 30_000])
})

test('has no more under way than the parallelism, per key', async () => {
  await using lab = await openLab()
  const held = { a: [] as (() => void)[], b: [] as (() => void)[] }
  lab.respond = ({ target }) =>
    new Promise((resolve) => {
      held[target === '/a' ? 'a' : 'b'].push(() => resolve({ status: 200 }))
    })
  await publish(lab, 5, { parallelism: 2, key: 'a' })
  await publish(lab, 5, { parallelism: 3, key: 'b' })
  await expect.poll(() => [held.a.length, held.b.length]).toEqual([2, 3])

  const info = await lab.client.flowControl.get('a')
  const global = await lab.client.flowControl.getGlobalParallelism()
  const settling = setInterval(() => {
    for (const release of [...held.a.splice(0), ...held.b.splice(0)]) release()
  }, 1)
  await lab.advance(0)
  clearInterval(settling)

  expect(info).toMatchObject({ waitListSize: 3, parallelismMax: 2, parallelismCount: 2 })
  expect(global).toEqual({ parallelismMax: 100, parallelismCount: 5 })
  expect(lab.received).toHaveLength(10)
  expect((await lab.client.flowControl.get('a')).parallelismCount).toBe(0)
})

test('shows a key with numbers and flags throughout, and 404 for one never used', async () => {
  await using lab = await openLab({ start })

  await publish(lab, 3, { rate: 2, period: '1m' })
  await lab.advance(0)

  expect(await lab.client.flowControl.get('k')).toEqual({
    flowControlKey: 'k',
    waitListSize: 1,
    parallelismMax: 0,
    parallelismCount: 0,
    rateMax: 2,
    rateCount: 2,
    ratePeriod: 60,
    ratePeriodStart: start / 1000,
    isPaused: false,
    isPinnedParallelism: false,
    isPinnedRate: false,
  })
  await expect(lab.client.flowControl.get('other')).rejects.toMatchObject({ status: 404 })
})

test('lets the settings of the last message win', async () => {
  await using lab = await openLab()

  await publish(lab, 1, { rate: 2, period: '1m' })
  await publish(lab, 1, { parallelism: 7 })

  const { rateMax, parallelismMax, ratePeriod } = await lab.client.flowControl.get('k')
  expect({ rateMax, parallelismMax, ratePeriod }).toEqual({
    rateMax: 0,
    parallelismMax: 7,
    ratePeriod: 1,
  })
})

test('holds the messages of a paused key until it is resumed', async () => {
  await using lab = await openLab()
  await lab.client.flowControl.pause('k')

  await publish(lab, 3, { rate: 10 })
  await lab.advance('1d')
  const paused = await lab.client.flowControl.get('k')
  const whilePaused = lab.received.length
  await lab.client.flowControl.resume('k')
  await lab.advance(0)

  expect(paused).toMatchObject({ isPaused: true, waitListSize: 3 })
  expect(whilePaused).toBe(0)
  expect(lab.received).toHaveLength(3)
})

test('keeps pinned settings against messages, until unpinned and a new message comes', async () => {
  await using lab = await openLab()
  await publish(lab, 1, { parallelism: 5, rate: 10, period: '1m' })

  await lab.client.flowControl.pin('k', { parallelism: 3, rate: 20, period: 120 })
  await publish(lab, 1, { parallelism: 50, rate: 100 })
  const pinned = await lab.client.flowControl.get('k')
  await lab.client.flowControl.unpin('k', { parallelism: true })
  const half = await lab.client.flowControl.get('k')
  await publish(lab, 1, { parallelism: 50, rate: 100 })
  const after = await lab.client.flowControl.get('k')

  expect(pinned).toMatchObject({
    isPinnedParallelism: true,
    isPinnedRate: true,
    parallelismMax: 3,
    rateMax: 20,
    ratePeriod: 120,
  })
  expect(half).toMatchObject({ isPinnedParallelism: false, isPinnedRate: true, parallelismMax: 3 })
  expect(after).toMatchObject({ parallelismMax: 50, rateMax: 20 })
})

test('goes on at once after resetRate, counting from then', async () => {
  await using lab = await openLab({ start })
  await publish(lab, 4, { rate: 2, period: '1h' })
  await lab.advance('10m')

  await lab.client.flowControl.resetRate('k')
  await lab.advance(0)

  expect(lab.received.map((one) => (one.at - start) / 60_000)).toEqual([0, 0, 10, 10])
  const { ratePeriodStart } = await lab.client.flowControl.get('k')
  expect(ratePeriodStart).toBe(start / 1000 + 600)
})

test('shows a rate count of zero right after publish and resetRate', async () => {
  await using lab = await openLab()
  await publish(lab, 1, { rate: 10, period: '1m' })

  await lab.client.flowControl.resetRate('k')

  expect((await lab.client.flowControl.get('k')).rateCount).toBe(0)
})

test('lists keys and searches among them', async () => {
  await using lab = await openLab()
  for (const key of ['user-1', 'user-2', 'other/3'])
    await lab.client.flowControl.pause(key.replace('/', '%2F'))

  const keysOf = async (query: string) =>
    (
      (await lab.call('GET', `/v2/flowControl${query}`)).json as unknown as {
        flowControlKey: string
      }[]
    )
      .map((one) => one.flowControlKey)
      .toSorted()
  expect(await keysOf('')).toEqual(['other/3', 'user-1', 'user-2'])
  expect(await keysOf('?search=user')).toEqual(['user-1', 'user-2'])
})

test('refuses to pin nonsense', async () => {
  await using lab = await openLab()

  for (const query of ['', '?rate=0', '?parallelism=x', '?rate=1&period=0', '?speed=1']) {
    const { status } = await lab.call('POST', `/v2/flowControl/k/pin${query}`)
    expect([query, status]).toEqual([query, 400])
  }
})

test('keeps the limits of a message whose key was forgotten while it waited for a retry', async () => {
  await using lab = await openLab({ start, limits: { flowKeys: 1 } })
  lab.respond = ({ target }) => ({ status: target === '/slow' ? 500 : 200 })
  const flowControl = { key: 'slow', parallelism: 1, rate: 2, period: '1m' as const }
  await lab.client.publish({
    url: `${lab.hook}/slow`,
    retries: 1,
    retryDelay: '600000',
    flowControl,
  })
  await lab.advance('2m')
  await publish(lab, 1, { rate: 1, key: 'other' })
  const forgotten = (await lab.call('GET', '/v2/flowControl/slow')).status

  await lab.advance('1h')

  expect(forgotten).toBe(404)
  const { parallelismMax, rateMax, ratePeriod } = await lab.client.flowControl.get('slow')
  expect({ parallelismMax, rateMax, ratePeriod }).toEqual({
    parallelismMax: 1,
    rateMax: 2,
    ratePeriod: 60,
  })
})

test('takes a plus in a key for a plus', async () => {
  await using lab = await openLab()

  await lab.client.flowControl.pause('a+b')

  const { json } = await lab.call('GET', '/v2/flowControl')
  expect(json).toMatchObject([{ flowControlKey: 'a+b' }])
})

test('forgets idle keys beyond the limit, never one in use or set by hand', async () => {
  await using lab = await openLab({ start, limits: { flowKeys: 2 } })
  await lab.client.flowControl.pause('fixed')
  for (const key of ['a', 'b', 'c']) {
    await publish(lab, 1, { rate: 1, key })
    await lab.advance('2s')
  }

  const { json } = await lab.call('GET', '/v2/flowControl')

  const keys = (json as unknown as { flowControlKey: string }[]).map((one) => one.flowControlKey)
  expect(keys).toEqual(['fixed', 'c'])
})
