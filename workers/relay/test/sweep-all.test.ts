import { DeadlineExceededError, manualClock, rootCall, type SqlShard } from '@stoa/kernel'
import { createCircuits, type SweepReport } from '@stoa/messaging'
import { describe, expect, test } from 'vitest'

import { databasesMax, inRange, rangesOf } from '../src/domain/fan-out.ts'
import { rotated } from '../src/domain/rotation.ts'
import { sweepAll, type SweepDeps, sweepMsMax, tickMsMax } from '../src/domain/sweep.ts'

function shards(count: number): readonly SqlShard[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `s${String(index).padStart(4, '0')}`,
    batch: () => Promise.reject(new Error('is not asked')),
  }))
}

const done: SweepReport = { published: 2, failed: 1, dead: [], hasMore: false }

function harness(sweep: SweepDeps['sweep']) {
  const clock = manualClock(1_790_000_000_000)
  const reported: unknown[] = []
  const visited: string[] = []
  const tended: string[] = []
  const deps: SweepDeps = {
    clock,
    circuits: createCircuits(clock),
    report: (error) => reported.push(error),
    tend: async ({ name }) => void tended.push(name),
    sweep: (shard, call) => {
      visited.push(shard.name)
      return sweep(shard, call)
    },
  }
  const run = (list: readonly SqlShard[]) => sweepAll(list, deps, rootCall('t'))
  return { clock, reported, visited, tended, run }
}

/** Lets everything run that waits for no time. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0))

describe('a sweep of many databases', () => {
  test('is held up by one that never answers for twenty seconds, in one lane of five', async () => {
    const { clock, reported, visited, tended, run } = harness(
      (shard, call) =>
        new Promise((resolve, reject) => {
          if (shard.name !== 's0001') return resolve(done)
          return call.signal.addEventListener('abort', () => reject(call.signal.reason as Error))
        }),
    )
    const sweeping = run(shards(7))

    await settled()
    expect(visited).toHaveLength(7)
    clock.advance(sweepMsMax)

    expect(await sweeping).toEqual({ published: 12, failed: 6 })
    expect(reported).toEqual([expect.any(DeadlineExceededError)])
    expect(tended).not.toContain('s0001')
  })

  test('comes back to those that have more, after all others', async () => {
    let left = 3
    const { visited, tended, run } = harness(async ({ name }) => {
      if (name !== 's0000') return done
      left -= 1
      return { ...done, hasMore: left > 0 }
    })

    await run(shards(8))

    expect(visited.filter((name) => name === 's0000')).toHaveLength(3)
    expect(new Set(visited.slice(0, 8)).size).toBe(8)
    expect(tended.filter((name) => name === 's0000')).toHaveLength(1)
  })

  test('begins with no database when its time is over', async () => {
    const { clock, visited, run } = harness(async () => {
      clock.advance(tickMsMax)
      return { ...done, hasMore: true }
    })

    await run(shards(20))

    expect(visited.length).toBeLessThanOrEqual(5)
  })

  test('leaves one alone that failed three times in a row, then tries it once, and trusts it when it answers', async () => {
    let isDown = true
    const { clock, visited, run } = harness(async ({ name }) => {
      if (name === 's0001' && isDown) throw new Error('down')
      return done
    })
    const visits = async (minutes: number): Promise<number> => {
      const before = visited.filter((name) => name === 's0001').length
      for (let minute = 0; minute < minutes; minute += 1) {
        await run(shards(2))
        clock.advance(60_000)
      }
      return visited.filter((name) => name === 's0001').length - before
    }

    expect(await visits(3)).toBe(3)
    expect(await visits(30)).toBeLessThan(7)
    isDown = false
    clock.advance(15 * 60_000)
    expect(await visits(5)).toBe(5)
    expect(visited.filter((name) => name === 's0000')).toHaveLength(38)
  })

  test('reports the events that were given up', async () => {
    const { reported, run } = harness(async () => ({ ...done, dead: ['e1', 'e2'] }))

    await run(shards(1))

    expect(String(reported[0])).toContain('e1, e2')
  })
})

describe('the ranges of a tick', () => {
  test.each([1, 199, 200, 201, 1_000, 2_345])(
    'hold each of %s databases once, at most 200 each',
    (count) => {
      const all = shards(count)
      const ranges = rangesOf(all.map(({ name }) => name))

      const inRanges = ranges.map((range) => inRange(all, range))

      expect(inRanges.flat()).toEqual(all)
      expect(inRanges.every((list) => list.length <= databasesMax)).toBe(true)
      expect(ranges).toHaveLength(Math.ceil(count / databasesMax))
    },
  )

  test('hold a database that came after they were cut', () => {
    const ranges = rangesOf(shards(400).map(({ name }) => name))
    const batch: SqlShard['batch'] = () => Promise.reject(new Error('is not asked'))
    const late = ['a', 's0100x', 'z'].map((name) => ({ name, batch }))

    expect(ranges.flatMap((range) => inRange(late, range)).map(({ name }) => name)).toEqual([
      'a',
      's0100x',
      'z',
    ])
  })

  test('begin elsewhere on each tick, so that each is among the first tenth within 25', () => {
    const all = Array.from({ length: 200 }, (_, index) => index)
    const seen = new Set<number>()

    for (let tick = 29_833_333; tick < 29_833_358; tick += 1) {
      const order = rotated(all, tick)
      expect(order.toSorted((a, b) => a - b)).toEqual(all)
      for (const item of order.slice(0, 20)) seen.add(item)
    }

    expect(seen.size).toBe(200)
  })
})
