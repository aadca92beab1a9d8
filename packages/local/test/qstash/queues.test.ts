import { expect, test } from 'vitest'

import { defaultBackoffMs } from '../../src/qstash/backoff.ts'
import { openLab } from './harness.ts'
import type { Lab } from './harness.ts'

const start = Date.UTC(2026, 0, 1)

async function enqueue(lab: Lab, paths: readonly string[], more = {}) {
  for (const path of paths) {
    await lab.client.queue({ queueName: 'q' }).enqueue({ url: `${lab.hook}/${path}`, ...more })
  }
}

function order(lab: Lab): readonly string[] {
  return lab.received.map((one) => one.target.slice(1))
}

test('creates, shows, changes, lists and deletes a queue', async () => {
  await using lab = await openLab({ start })
  const queue = lab.client.queue({ queueName: 'q' })

  await queue.upsert({ parallelism: 2 })
  await lab.advance('1s')
  await queue.upsert({ parallelism: 1, paused: true })

  const shown = {
    name: 'q',
    parallelism: 1,
    paused: true,
    lag: 0,
    createdAt: start,
    updatedAt: start + 1000,
  }
  expect(await queue.get()).toEqual(shown)
  expect(await lab.client.queue().list()).toEqual([shown])
  await queue.delete()
  expect(await lab.client.queue().list()).toEqual([])
  await expect(queue.get()).rejects.toMatchObject({ status: 404 })
})

test('refuses bad names and settings, and more queues than the plan has', async () => {
  await using lab = await openLab({ limits: { queues: 1, queueParallelism: 5 } })
  const upsert = async (body: unknown) =>
    (await lab.call('POST', '/v2/queues', { body: JSON.stringify(body) })).status

  expect(await upsert({ queueName: 'a b' })).toBe(400)
  expect(await upsert({ parallelism: 1 })).toBe(400)
  expect(await upsert({ queueName: 'q', parallelism: 0 })).toBe(400)
  expect(await upsert({ queueName: 'q', parallelism: 6 })).toBe(412)
  expect(await upsert({ queueName: 'q', parallelism: 5 })).toBe(200)
  expect(await upsert({ queueName: 'r', parallelism: 1 })).toBe(412)
  expect((await lab.call('POST', `/v2/enqueue/s/${lab.hook}`)).status).toBe(412)
  expect((await lab.call('POST', `/v2/enqueue/a%20b/${lab.hook}`)).status).toBe(400)
  expect((await lab.call('POST', '/v2/enqueue/q')).status).toBe(400)
})

test('delivers in order, each after the one before is done, retries included', async () => {
  await using lab = await openLab({ start })
  lab.respond = ({ target, headers }) => ({
    status: target === '/b' && headers['upstash-retried'] === '0' ? 500 : 200,
  })

  await enqueue(lab, ['a', 'b', 'c'])
  await lab.advance(0)
  const held = (await lab.client.queue({ queueName: 'q' }).get()).lag
  await lab.advance('1d')

  expect(order(lab)).toEqual(['a', 'b', 'b', 'c'])
  expect(held).toBe(2)
  expect(lab.received.map((one) => one.at - start)).toEqual([
    0,
    0,
    defaultBackoffMs(1),
    defaultBackoffMs(1),
  ])
  expect((await lab.client.queue({ queueName: 'q' }).get()).lag).toBe(0)
})

test('goes on after a message that failed for good', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) => ({ status: target === '/a' ? 500 : 200 })

  await enqueue(lab, ['a', 'b'], { retries: 1 })
  await lab.advance('1d')

  expect(order(lab)).toEqual(['a', 'a', 'b'])
})

test('waits for the callbacks of a message before the next one', async () => {
  await using lab = await openLab({ start })
  lab.respond = ({ target, headers }) => ({
    status: target === '/callback' && headers['upstash-retried'] === '0' ? 500 : 200,
  })

  await enqueue(lab, ['a', 'b'], { callback: `${lab.hook}/callback` })
  await lab.advance('1h')

  expect(order(lab)).toEqual(['a', 'callback', 'callback', 'b', 'callback', 'callback'])
})

test('delivers as many at once as its parallelism', async () => {
  await using lab = await openLab()
  const held: (() => void)[] = []
  lab.respond = () => new Promise((resolve) => held.push(() => resolve({ status: 200 })))
  await lab.client.queue({ queueName: 'q' }).upsert({ parallelism: 2 })
  await enqueue(lab, ['a', 'b', 'c'])

  await expect.poll(() => held.length).toBe(2)
  const atFirst = order(lab)
  for (const release of held.splice(0)) release()
  await expect.poll(() => held.length).toBe(1)
  held[0]?.()

  expect(atFirst).toEqual(['a', 'b'])
  expect(order(lab)).toEqual(['a', 'b', 'c'])
})

test('accepts messages while paused and delivers them when resumed', async () => {
  await using lab = await openLab()
  const queue = lab.client.queue({ queueName: 'q' })
  await queue.upsert({ parallelism: 1, paused: true })
  await enqueue(lab, ['a', 'b'])

  await lab.advance('1d')
  const whilePaused = order(lab)
  const { lag } = await queue.get()
  await queue.resume()
  await lab.advance(0)
  await queue.pause()
  await enqueue(lab, ['c'])
  await lab.advance(0)

  expect(whilePaused).toEqual([])
  expect(lag).toBe(2)
  expect(order(lab)).toEqual(['a', 'b'])
})

test('keeps the order of a burst of two hundred', async () => {
  await using lab = await openLab()
  const paths = Array.from({ length: 200 }, (_, n) => String(n))

  await lab.client.batch(paths.map((path) => ({ url: `${lab.hook}/${path}`, queueName: 'q' })))
  await lab.advance(0)

  expect(order(lab)).toEqual(paths)
})

test('where the documents are silent: a delayed message joins the queue when its delay is over', async () => {
  await using lab = await openLab()

  await enqueue(lab, ['late'], { delay: 60 })
  await enqueue(lab, ['a', 'b'])
  await lab.advance('2m')

  expect(order(lab)).toEqual(['a', 'b', 'late'])
})

test('where the documents are silent: deleting a queue cancels what waits in it', async () => {
  await using lab = await openLab()
  const queue = lab.client.queue({ queueName: 'q' })
  await queue.upsert({ parallelism: 1, paused: true })
  const { messageId } = await queue.enqueue({ url: lab.hook })

  await queue.delete()
  await lab.advance('1d')

  expect(lab.received).toHaveLength(0)
  expect((await lab.states(messageId)).at(-1)).toBe('CANCELED')
})
