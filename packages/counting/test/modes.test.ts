import { isFault } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { call } from './databases.ts'
import { type Bench, idIn, openBench } from './harness.ts'

let bench: Bench
beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.fleet.close())

describe('an accurate counter', () => {
  const id = idIn(1)
  const sold = async () => (await bench.counting.read('stock', id, call)).values['sold']
  const sell = (by: number, token = bench.counting.newToken()) =>
    bench.counting.incrementNow('stock', { id, deltas: { sold: by }, token }, call)

  test('is right as soon as the increment has returned, and answers the total', async () => {
    expect((await sell(2)).values).toEqual({ sold: 2 })
    expect((await sell(-1)).values).toEqual({ sold: 1 })
    expect(await sold()).toBe(1)
    expect((await bench.counting.read('stock', id, call)).staleMsMax).toBe(0)
  })

  test('counts a token once, however often and from wherever it comes', async () => {
    const token = bench.counting.newToken()
    const answers = await Promise.all([1, 2, 3].map(() => sell(2, token)))

    expect(answers.map(({ values }) => values)).toEqual([{ sold: 2 }, { sold: 2 }, { sold: 2 }])
    expect(await sold()).toBe(2)
  })

  test.each(['reply', 'request'] as const)('counts once when the %s is lost', async (lost) => {
    bench.fleet.a.spoil(lost)

    expect((await sell(2)).values).toEqual({ sold: 2 })
    expect(await sold()).toBe(2)
  })

  test('refuses what would pass 2^53 - 1, and keeps what it had', async () => {
    await sell(Number.MAX_SAFE_INTEGER - 1)

    await expect(sell(2)).rejects.toMatchObject({ code: 'counter_overflow' })
    expect(await sold()).toBe(Number.MAX_SAFE_INTEGER - 1)
  })

  test('refuses a token that is none, and one of which nobody knows any more whether it counted', async () => {
    const token = bench.counting.newToken()
    await sell(1, token)
    bench.clock.advance(24 * 3_600_000 + 1)

    await expect(sell(1, token)).rejects.toMatchObject({ code: 'expired_token' })
    await expect(sell(1, 'mine')).rejects.toMatchObject({ code: 'expired_token' })
    await expect(
      bench.counting.incrementNow('post', { id, deltas: { views: 1 }, token }, call),
    ).rejects.toMatchObject({ code: 'wrong_mode' })
    expect(await sold()).toBe(1)
  })
})

describe('a flush', () => {
  const id = idIn(1)

  test.each(['reply', 'request'] as const)(
    'whose %s is lost is sent again, and counts once',
    async (lost) => {
      bench.counting.increment('post', id, { views: 1 })
      bench.log.spoil(lost)
      const first = await bench.counting.flush(call)
      const second = await bench.counting.flush(call)
      await bench.counting.drainer.drain(call)

      expect([first.waiting, second.waiting]).toEqual([1, 0])
      expect((await bench.counting.read('post', id, call)).values['views']).toBe(1)
    },
  )

  test('is due by size, by age, and not before', () => {
    expect(bench.counting.due()).toBeUndefined()
    bench.counting.increment('post', id, { views: 1 })
    expect(bench.counting.due()).toBe(5_000)
    bench.clock.advance(4_000)
    expect(bench.counting.due()).toBe(1_000)
    for (let n = 0; n < 1_000; n += 1) bench.counting.increment('post', idIn(n), { views: 1 })
    expect(bench.counting.due()).toBe(0)
  })

  test('holds what the log does not take, up to its bound; then it says so and drops nothing', async () => {
    const counting = bench.isolate({ bufferMax: 10 })
    const refuse = async () => {
      bench.log.spoil('request')
      await counting.flush(call)
    }
    let taken = 0
    const refused = new Set<string>()
    for (let n = 0; n < 400; n += 1) {
      try {
        counting.increment('post', idIn(1), { views: 1 })
        taken += 1
      } catch (error) {
        refused.add(isFault(error) ? error.code : 'no fault')
      }
      if (n % 10 === 9) await refuse()
    }
    expect([...refused]).toEqual(['buffer_full'])

    await counting.flush(call)
    await counting.flush(call)
    await counting.drainer.drain(call)
    const [[views] = []] = await bench.fleet.a.run('SELECT sum(views) FROM count_post')

    expect(views).toBe(taken)
  })

  test('of five thousand objects goes out in pieces that a log and a database take', async () => {
    for (let n = 0; n < 5_000; n += 1) bench.counting.increment('post', idIn(n), { views: 1 })
    bench.counting.see('post', { id, metric: 'viewers', member: 'ada' })

    const { sent } = await bench.counting.flush(call)
    await bench.counting.drainer.drain(call)
    const [[views] = []] = await bench.fleet.a.run('SELECT sum(views) FROM count_post')

    expect(sent).toBe(3)
    expect(views).toBe(5_000)
    expect((await bench.counting.unique('post', { id, metric: 'viewers' }, call)).count).toBe(1)
  })

  test('of best-effort counters is bounded too', () => {
    const counting = bench.isolate({ bufferMax: 2 })
    counting.increment('pulse', idIn(1), { beats: 1 })
    counting.increment('pulse', idIn(1), { beats: 1 })

    expect(() => counting.increment('pulse', idIn(1), { beats: 1 })).toThrow(
      expect.objectContaining({ code: 'buffer_full' }),
    )
  })

  test('wakes the drainer, at most once in ten seconds', async () => {
    let woken = 0
    const counting = bench.isolate({
      wake: async () => {
        woken += 1
      },
    })
    for (let n = 0; n < 25; n += 1) {
      counting.increment('post', id, { views: 1 })
      await counting.flush(call)
      bench.clock.advance(1_000)
    }

    expect(woken).toBe(3)
  })

  test('is made by one waiting request, and by the next when that one dies', async () => {
    bench.counting.increment('post', id, { views: 1 })
    const dead = new AbortController()
    const waiting = bench.counting.settle({ ...call, signal: dead.signal })
    await bench.counting.settle(call)
    dead.abort()
    await expect(waiting).rejects.toBeDefined()
    expect(bench.log.entries).toEqual([])
    bench.clock.advance(10_001)

    await bench.counting.settle(call)

    expect(bench.log.entries).toHaveLength(1)
  })
})
