import { rootCall } from '@stoa/kernel'
import { expect, test } from 'vitest'

import { checkLog } from '../src/index.ts'
import { logOfBucket } from '../src/logs.ts'
import { fakeRedis } from './fake-redis.ts'

const redis = fakeRedis()
const logs = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `log-${index}`, redis }))
const buckets = Array.from({ length: 256 }, (_, bucket) => bucket)

test('a log that is added takes its part from all others, and no bucket moves between those', () => {
  for (const count of [1, 2, 3, 7]) {
    const [before, after] = [logOfBucket(logs(count)), logOfBucket(logs(count + 1))]
    const moved = buckets.filter((bucket) => before(bucket) !== after(bucket))

    expect(moved.every((bucket) => after(bucket) === count)).toBe(true)
    expect(moved.length).toBeGreaterThan(256 / (count + 1) / 2)
    expect(moved.length).toBeLessThan((256 / (count + 1)) * 1.6)
  }
})

test('logs share the buckets within a third of even', () => {
  const choose = logOfBucket(logs(4))
  const sizes = Map.groupBy(buckets, choose)

  expect([...sizes.values()].every(({ length }) => length > 43 && length < 86)).toBe(true)
})

test('logs that are none or have one name are refused', () => {
  expect(() => logOfBucket([])).toThrow('no nodes')
  expect(() => logOfBucket([...logs(1), ...logs(1)])).toThrow('two nodes')
})

test.each([
  ['maxmemory_policy:noeviction', 'keeps'],
  ['used_memory:1', 'unknown'],
])('a log that says %s %s', async (text, verdict) => {
  const log = { name: 'log-0', redis: { ...redis, pipeline: async () => [{ result: text }] } }

  expect(await checkLog(log, rootCall('test'))).toBe(verdict)
})

test('a log that evicts is refused', async () => {
  const result = 'maxmemory_policy:allkeys-lru'
  const log = { name: 'log-0', redis: { ...redis, pipeline: async () => [{ result }] } }

  await expect(checkLog(log, rootCall('test'))).rejects.toMatchObject({ code: 'log_evicts' })
})
