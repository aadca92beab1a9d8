import { manualClock, rootCall } from '@stoa/kernel'
import {
  echo,
  fetcherContract,
  queueContract,
  queueVerifierContract,
  redisContract,
} from '@stoa/kernel/contract'
import { expect, test } from 'vitest'

import { memoryFetcher, memoryQueue, memoryRedis } from '../src/memory.ts'

const close = () => Promise.resolve()
const call = rootCall('memory')
const once = { idempotent: false }

redisContract('memoryRedis', async () => ({ port: memoryRedis(manualClock()), close }))
queueContract('memoryQueue', async () => ({
  port: memoryQueue(manualClock()),
  url: 'https://consumer.example/in',
  close,
}))
queueVerifierContract('memoryQueue', () => {
  const queue = memoryQueue(manualClock())
  return { verifier: queue, sign: async (delivery) => queue.sign(delivery) }
})
fetcherContract('memoryFetcher', async () => ({
  fetcher: memoryFetcher({ 'https://echo.example': echo }),
  origin: 'https://echo.example',
  close,
}))

test('memoryRedis forgets a key when its time has passed by the clock', async () => {
  const clock = manualClock()
  const redis = memoryRedis(clock)
  await redis.run(['SET', 'k', '1', 'EX', 2], call, once)

  clock.advance(1999)
  expect(await redis.run(['TTL', 'k'], call, once)).toBe(0)
  clock.advance(1)

  expect(await redis.run(['GET', 'k'], call, once)).toBeNull()
})

test('memoryRedis sets only over the expected value with IFEQ', async () => {
  const redis = memoryRedis(manualClock())
  await redis.run(['SET', 'k', 'old'], call, once)

  expect(await redis.run(['SET', 'k', 'new', 'IFEQ', 'other'], call, once)).toBeNull()
  expect(await redis.run(['SET', 'absent', 'new', 'IFEQ', 'old'], call, once)).toBeNull()
  expect(await redis.run(['SET', 'k', 'new', 'IFEQ', 'old'], call, once)).toBe('OK')
})

test('memoryRedis says so when it does not know a command', async () => {
  await expect(memoryRedis(manualClock()).run(['XADD', 's'], call, once)).rejects.toMatchObject({
    code: 'redis_command',
  })
})

test('memoryQueue hands out what is due, by time, once', async () => {
  const clock = manualClock(1000)
  const queue = memoryQueue(clock)
  const url = 'https://consumer.example/in'
  await queue.publish(
    [
      { url, body: 'late', delayMs: 500 },
      { url, body: 'later', notBefore: 2000 },
      { url, body: 'now' },
    ],
    call,
  )

  expect(queue.takeDue().map((message) => message.body)).toEqual(['now'])
  clock.advance(1000)
  expect(queue.takeDue().map((message) => message.body)).toEqual(['late', 'later'])
  expect(queue.takeDue()).toEqual([])
})

test('memoryQueue forgets a deduplication id after ten minutes, as QStash does', async () => {
  const clock = manualClock()
  const queue = memoryQueue(clock)
  const message = { url: 'https://consumer.example/in', body: '', deduplicationId: 'd' }
  await queue.publish([message], call)

  clock.advance(600_000)

  expect(await queue.publish([message], call)).toMatchObject([{ deduplicated: false }])
})

test('memoryFetcher rejects an origin nobody has', async () => {
  await expect(memoryFetcher({})(new Request('https://nobody.example/'))).rejects.toThrow(
    'fetch failed',
  )
})
