import type { RedisPort } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type Counting, handleOf, slidingSum } from '../src/index.ts'
import { call } from './databases.ts'
import { type Bench, idIn, openBench, post, start } from './harness.ts'

let bench: Bench
beforeEach(async () => {
  bench = await openBench({ flushSize: 10, bufferMax: 40 })
})
afterEach(() => bench.fleet.close())

async function drained(counting: Counting): Promise<void> {
  await counting.flush(call)
  await counting.drainer.drain(call)
}

async function views(id: string): Promise<number | undefined> {
  return (await bench.counting.read('post', id, call)).values['views']
}

describe('an eventual counter', () => {
  test('shows what was flushed and drained, in every metric', async () => {
    const [one, other] = [idIn(1), idIn(9_000)]
    bench.counting.increment('post', one, { views: 3, likes: 1 })
    bench.counting.increment('post', handleOf(one), { likes: -1 })
    bench.counting.increment('post', other, { views: 1 })

    await bench.counting.flush(call)
    const report = await bench.counting.drainer.drain(call)
    const counts = await bench.counting.readMany('post', [one, other, idIn(5)], call)

    expect(bench.reported).toEqual([])
    expect(report).toEqual({ entries: 1, done: 1, repeated: 0, dead: 0, hasMore: false })
    expect(counts.map(({ values }) => values)).toEqual([
      { views: 3, likes: 0 },
      { views: 1, likes: 0 },
      { views: 0, likes: 0 },
    ])
    expect(bench.log.entries).toEqual([])
  })

  test('adds up over isolates and drains, and reads from the hot view', async () => {
    const id = idIn(1)
    for (const counting of [bench.counting, bench.isolate(), bench.isolate()]) {
      counting.increment('post', id, { views: 2 })
      await drained(counting)
    }
    bench.fleet.a.sent = []

    expect(await views(id)).toBe(6)
    expect(bench.fleet.a.sent).toEqual([])
  })

  test('survives the loss of the hot view, and heals it', async () => {
    const id = idIn(1)
    bench.counting.increment('post', id, { views: 2 })
    await drained(bench.counting)
    bench.hot.strings.clear()

    expect(await views(id)).toBe(2)
    await bench.settle()
    expect(bench.hot.strings.get(`post:${id}`)).toMatch(/^2,0:/)
  })

  test('is read from the shards while the hot view does not answer', async () => {
    const id = idIn(1)
    bench.counting.increment('post', id, { views: 2 })
    await drained(bench.counting)
    bench.hot.spoil('request')

    expect(await views(id)).toBe(2)
    expect(bench.reported).toHaveLength(1)
  })

  test('is read from the shards when the hot view is slow, after a quarter of a second', async () => {
    const id = idIn(1)
    bench.counting.increment('post', id, { views: 2 })
    await drained(bench.counting)
    const asked = Promise.withResolvers<void>()
    const slow: RedisPort = {
      pipeline: async () => [],
      run: (_command, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
          asked.resolve()
        }),
    }
    const reading = bench.isolate({ hot: slow }).read('post', id, call)
    await asked.promise

    bench.clock.advance(250)

    expect((await reading).values).toEqual({ views: 2, likes: 0 })
    expect(bench.reported).toMatchObject([{ code: 'deadline_exceeded' }])
  })

  test('is read anew when its value in the hot view is too old, whatever that says', async () => {
    const id = idIn(1)
    bench.counting.increment('post', id, { views: 2 })
    await drained(bench.counting)
    const stale = bench.hot.strings.get(`post:${id}`) ?? ''
    bench.counting.increment('post', id, { views: 5 })
    await drained(bench.counting)
    bench.hot.strings.set(`post:${id}`, stale)
    expect(await views(id)).toBe(2)

    bench.clock.advance(300_001)

    expect(await views(id)).toBe(7)
  })

  test('never goes back when two drainers publish out of order', async () => {
    const id = idIn(1)
    bench.counting.increment('post', id, { views: 1 })
    await bench.counting.flush(call)
    const late = Promise.withResolvers<void>()
    const held = bench.isolate({
      hot: {
        ...bench.hot,
        pipeline: async (...args) => (await late.promise, bench.hot.pipeline(...args)),
      },
    })
    const slow = held.drainer.drain(call)
    // Not by a read, which would publish what it finds.
    const rows = () => bench.fleet.a.run('SELECT views FROM count_post')
    await expect.poll(rows).toEqual([[1]])
    bench.counting.increment('post', id, { views: 1 })
    await drained(bench.counting)

    late.resolve()
    await slow

    expect(await views(id)).toBe(2)
  })

  test('says how old it may be, and never shows less than nothing', async () => {
    const id = idIn(1)
    bench.counting.increment('post', id, { likes: -3 })
    await drained(bench.counting)
    const counts = await bench.counting.read('post', id, call)

    expect(counts.values).toEqual({ views: 0, likes: 0 })
    expect(counts.staleMsMax).toBe(5_000 + 60_000 + 300_000)
    expect(start - counts.asOf).toBeLessThan(1_000)
  })

  test('is shown at most as late as it says', async () => {
    const id = idIn(1)
    let worst = 0
    for (let second = 0; second < 200; second += 1) {
      bench.counting.increment('post', id, { views: 1 })
      if (bench.counting.due() === 0) await bench.counting.flush(call)
      if (second % 60 === 0) await bench.counting.drainer.drain(call)
      const shown = (await views(id)) ?? 0
      worst = Math.max(worst, second + 1 - shown)
      bench.clock.advance(1_000)
    }

    expect(worst).toBeGreaterThan(50)
    expect(worst).toBeLessThanOrEqual(65)
  })

  test('stays at its bound when it is full, stops no other, and says so', async () => {
    const [full, other] = [idIn(1), idIn(1)]
    const max = Number.MAX_SAFE_INTEGER
    bench.counting.increment('post', full, { views: max })
    await drained(bench.counting)
    bench.counting.increment('post', full, { views: 5 })
    bench.counting.increment('post', other, { views: 1 })
    await drained(bench.counting)
    const [one, two] = await bench.counting.readMany('post', [full, other], call)

    expect(one).toMatchObject({ values: { views: max }, saturated: ['views'] })
    expect(two).toMatchObject({ values: { views: 1 }, saturated: [] })
  })
})

describe('what is refused', () => {
  const id = idIn(1)

  test.each([
    ['an unknown kind', 'unknown_metric', () => bench.counting.increment('book', id, { views: 1 })],
    [
      'an unknown metric',
      'unknown_metric',
      () => bench.counting.increment('post', id, { views: 1, hits: 1 }),
    ],
    [
      'less than nothing',
      'invalid_increment',
      () => bench.counting.increment('post', id, { likes: 1, views: -1 }),
    ],
    ['a part', 'invalid_increment', () => bench.counting.increment('post', id, { views: 0.5 })],
    [
      'no number',
      'invalid_increment',
      () => bench.counting.increment('post', id, { views: Number.NaN }),
    ],
    [
      'beyond 2^53',
      'invalid_increment',
      () => bench.counting.increment('post', id, { views: 2 ** 53 }),
    ],
    ['a bad id', 'invalid_id', () => bench.counting.increment('post', 'x', { views: 1 })],
    ['an accurate kind', 'wrong_mode', () => bench.counting.increment('stock', id, { sold: 1 })],
    [
      'an unknown unique',
      'unknown_metric',
      () => bench.counting.see('post', { id, metric: 'views', member: 'x' }),
    ],
    ['an unknown board', 'unknown_metric', () => bench.counting.hear('words', 'x')],
    ['hearing nothing', 'invalid_increment', () => bench.counting.hear('terms', 'x', 0)],
  ])('%s is %s, and nothing is counted', async (_name, code, act) => {
    expect(act).toThrow(expect.objectContaining({ code }))
    expect(await bench.counting.flush(call)).toEqual({ sent: 0, waiting: 0, failures: [] })
  })

  test('what overflows in one metric, with what was to be added to the others', async () => {
    const max = Number.MAX_SAFE_INTEGER
    bench.counting.increment('post', id, { likes: max })

    expect(() => bench.counting.increment('post', id, { views: 7, likes: 1 })).toThrow(
      expect.objectContaining({ code: 'counter_overflow' }),
    )
    await drained(bench.counting)
    const { values } = await bench.counting.read('post', id, call)

    expect(values).toEqual({ views: 0, likes: max })
  })

  test('kinds that SQL could not name, twins and odd pages', () => {
    const make = (kind: object) => () => bench.isolate({ kinds: [{ ...post, ...kind }] })

    expect(make({ name: 'Post' })).toThrow(RangeError)
    expect(make({ name: 'a; DROP TABLE x' })).toThrow(RangeError)
    expect(make({ metrics: [] })).toThrow(RangeError)
    expect(make({ metrics: [{ name: 'slot' }] })).toThrow(RangeError)
    expect(make({ metrics: [{ name: 'a' }, { name: 'a' }] })).toThrow(RangeError)
    expect(make({ pagesPerBucket: 3 })).toThrow(RangeError)
    expect(make({ mode: 'accurate' })).toThrow(RangeError)
    expect(() => bench.isolate({ kinds: [post, post] })).toThrow(RangeError)
    expect(() => bench.isolate({ logs: [] })).toThrow('no nodes')
  })
})

describe('a unique count', () => {
  test('counts a member once, over isolates and drains', async () => {
    const id = idIn(1)
    for (const counting of [bench.counting, bench.isolate()]) {
      for (const member of ['ada', 'bob', 'ada'])
        counting.see('post', { id, metric: 'viewers', member })
      await drained(counting)
    }

    expect(await bench.counting.unique('post', { id, metric: 'viewers' }, call)).toEqual({
      count: 2,
      error: 0,
    })
  })

  test('begins anew with each period', async () => {
    const id = idIn(1)
    const of = { id, metric: 'viewers', periodMs: 86_400_000 }
    bench.counting.see('post', { ...of, member: 'ada' })
    bench.clock.advance(86_400_000)
    bench.counting.see('post', { ...of, member: 'ada' })
    bench.counting.see('post', { ...of, member: 'bob' })
    await drained(bench.counting)

    expect((await bench.counting.unique('post', of, call)).count).toBe(2)
    expect((await bench.counting.unique('post', { ...of, at: start }, call)).count).toBe(1)
  })

  test('does not mind that two drainers merge at the same time', async () => {
    const id = idIn(1)
    for (let n = 0; n < 20; n += 1) {
      bench.counting.see('post', { id, metric: 'viewers', member: `m${n}` })
      if (n % 5 === 4) await bench.counting.flush(call)
    }
    const drainers = [bench.counting, bench.isolate(), bench.isolate()]
    await Promise.all(drainers.map(({ drainer }) => drainer.drain(call)))

    expect((await bench.counting.unique('post', { id, metric: 'viewers' }, call)).count).toBe(20)
    expect(bench.reported).toEqual([])
  })
})

describe('a leaderboard', () => {
  test('ranks objects by what was counted in the window, exactly while they are few', async () => {
    const ids = Array.from({ length: 9 }, (_, index) => idIn(index * 1_500))
    for (const [index, id] of ids.entries())
      bench.counting.increment('post', id, { views: index + 1 })
    await drained(bench.counting)
    bench.counting.increment('post', ids[0] ?? '', { views: 50 })
    await drained(bench.counting)
    const top = await bench.counting.top('post.views', { limit: 2 }, call)

    expect(top).toEqual([
      { item: ids[0], count: 51, error: 0 },
      { item: ids[8], count: 9, error: 0 },
    ])
  })

  test('of texts lists what is heavy, over isolates and windows', async () => {
    for (const counting of [
      bench.isolate({ bufferMax: 10_000 }),
      bench.isolate({ bufferMax: 10_000 }),
    ]) {
      for (let n = 0; n < 600; n += 1) counting.hear('terms', `rare ${n}`)
      counting.hear('terms', 'stoa', 40)
      await drained(counting)
      bench.clock.advance(3_600_000)
    }
    bench.clock.advance(-3_600_000)
    const [first] = await bench.counting.top('terms', { windows: 2, limit: 1 }, call)
    const board = await bench.fleet.a.run('SELECT count(*) FROM count_top GROUP BY start')
    const other = await bench.fleet.b.run('SELECT count(*) FROM count_top GROUP BY start')

    expect(first?.item).toBe('stoa')
    expect((first?.count ?? 0) - (first?.error ?? 0)).toBeLessThanOrEqual(80)
    expect(first?.count).toBeGreaterThanOrEqual(80)
    expect([...board, ...other].every(([size]) => Number(size) <= 256)).toBe(true)
  })

  test('is kept within its error by the database over many merges', async () => {
    const truth = new Map<string, number>()
    let total = 0
    for (let flush = 0; flush < 5; flush += 1) {
      const counting = bench.isolate({ bufferMax: 10_000 })
      for (let n = 0; n < 500; n += 1) {
        const item = `t${(n * n * (flush + 3)) % 397}`
        counting.hear('terms', item)
        truth.set(item, (truth.get(item) ?? 0) + 1)
        total += 1
      }
      await drained(counting)
    }
    const top = await bench.counting.top('terms', { limit: 256 }, call)

    expect(top).toHaveLength(256)
    for (const { item, count, error } of top) {
      expect(count).toBeGreaterThanOrEqual(truth.get(item) ?? 0)
      expect(count - error).toBeLessThanOrEqual(truth.get(item) ?? 0)
      expect(error).toBeLessThanOrEqual(total / 256)
    }
  })

  test('that nobody declared is unknown', async () => {
    await expect(bench.counting.top('post.likes', {}, call)).rejects.toMatchObject({
      code: 'unknown_metric',
    })
  })
})

describe('windows', () => {
  test('tell when something was counted', async () => {
    const id = idIn(1)
    const from = start - (start % 60_000)
    for (let minute = 0; minute < 3; minute += 1) {
      bench.counting.increment('post', id, { views: minute + 1 })
      await drained(bench.counting)
      bench.clock.advance(60_000)
    }
    const points = await bench.counting.series(
      { kind: 'post', metric: 'views', id, widthMs: 60_000, from, to: from + 240_000 },
      call,
    )

    expect(points.map(({ n }) => n)).toEqual([1, 2, 3, 0])
    expect(slidingSum(points, { now: from + 150_000, spanMs: 60_000, widthMs: 60_000 })).toBe(1 + 3)
    await expect(
      bench.counting.series(
        { kind: 'post', metric: 'views', id, widthMs: 1, from, to: from },
        call,
      ),
    ).rejects.toMatchObject({ code: 'unknown_metric' })
  })
})
