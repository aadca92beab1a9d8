import { DeadlineExceededError, manualClock, rootCall, type SqlShard } from '@stoa/kernel'
import { expect, test } from 'vitest'

import { sweepAll, sweepMsMax } from '../src/domain/sweep.ts'

function shards(count: number): readonly SqlShard[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `s${index}`,
    batch: () => Promise.reject(new Error('is not asked')),
  }))
}

test('a database that never answers holds up its wave for twenty seconds, and no more', async () => {
  const clock = manualClock()
  const reported: unknown[] = []
  const swept: string[] = []
  const sweeping = sweepAll(
    shards(7),
    {
      clock,
      report: (error) => reported.push(error),
      sweep: (shard, call) =>
        new Promise((resolve, reject) => {
          swept.push(shard.name)
          if (shard.name !== 's1') return resolve({ published: 2, failed: 1 })
          return call.signal.addEventListener('abort', () => reject(call.signal.reason as Error))
        }),
    },
    rootCall('t'),
  )

  await Promise.resolve()
  expect(swept).toEqual(['s0', 's1', 's2', 's3', 's4'])
  clock.advance(sweepMsMax)

  expect(await sweeping).toEqual({ published: 12, failed: 6 })
  expect(swept).toHaveLength(7)
  expect(reported).toEqual([expect.any(DeadlineExceededError)])
})
