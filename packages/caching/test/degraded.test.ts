import { describe, expect, test } from 'vitest'

import { call, elapse, gatedLoad, openWorld, settled, valueOf } from './harness.ts'

const policy = { ttlMs: 60_000, jitter: 0, earlyRenewal: 0 }

describe('without Redis', () => {
  test.each(['down', 'hangs', 'loses replies'] as const)(
    'when it %s, callers are answered by loads, marked, in bounded time',
    async (mood) => {
      const { isolate, clock, database } = openWorld()
      const { cache, reports } = isolate()
      const space = cache.space<string>('p', policy)
      database.mood = mood
      const began = clock.now()

      const found = await elapse(clock, space.getOrLoad('a', valueOf('v', 1), call))

      expect(found).toMatchObject({ value: 'v', tier: 'loader', degraded: 'redis_unavailable' })
      expect(clock.now() - began).toBeLessThanOrEqual(300)
      expect(reports.length).toBeGreaterThan(0)
      expect(await space.getOrLoad('a', valueOf('x'), call)).toMatchObject({ tier: 'isolate' })
    },
  )

  test('soon nobody waits for it any more, and once it is back it is used again', async () => {
    const { isolate, clock, database } = openWorld()
    const space = isolate().cache.space<string>('p', { ...policy, isolateTtlMs: 0 })
    database.mood = 'hangs'
    for (let at = 0; at < 3; at += 1) {
      await elapse(clock, space.getOrLoad(`k${at}`, valueOf('v'), call))
    }
    const trips = database.trips.length
    for (let at = 0; at < 50; at += 1) await space.getOrLoad(`m${at}`, valueOf('v'), call)
    expect(database.trips.length).toBe(trips)

    database.mood = 'well'
    clock.advance(1_500)
    await space.getOrLoad('a', valueOf('v'), call)
    await settled()

    expect(await space.getOrLoad('a', valueOf('x'), call)).toMatchObject({
      value: 'v',
      tier: 'redis',
    })
  })

  test('runs at most one load of a key in an isolate', async () => {
    const { isolate, database } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    database.mood = 'down'
    const load = gatedLoad('v')
    const all = Promise.all(
      Array.from({ length: 500 }, () => space.getOrLoad('a', load.load, call)),
    )
    await settled()
    load.open()
    await all

    expect(load.runs()).toBe(1)
  })

  test('runs few loads at once, and refuses the rest in the end with a word', async () => {
    const { isolate, clock, database } = openWorld(1, { limits: { degradedLoadsMax: 4 } })
    const space = isolate().cache.space<string>('p', { ...policy, timeouts: { hardMs: 500 } })
    database.mood = 'down'
    let running = 0
    let most = 0
    const load = async () => {
      running += 1
      most = Math.max(most, running)
      return new Promise<never>(() => undefined)
    }

    const outcomes = await elapse(
      clock,
      Promise.allSettled(
        Array.from({ length: 20 }, (_, at) => space.getOrLoad(`k${at}`, load, call)),
      ),
    )

    const codes = outcomes.map((each) =>
      each.status === 'rejected' ? (each.reason as { code: string }).code : 'answered',
    )
    expect(most).toBe(4)
    expect(codes.filter((code) => code === 'deadline_exceeded')).toHaveLength(4)
    expect(codes.filter((code) => code === 'cache_overloaded')).toHaveLength(16)
  })

  test('answers with an old value of the isolate when the load fails too', async () => {
    const { isolate, clock, database } = openWorld()
    const space = isolate().cache.space<string>('p', { ...policy, graceMs: 60_000 })
    await space.getOrLoad('a', valueOf('old', 1), call)
    database.mood = 'down'
    clock.advance(30_000)

    const found = await space.getOrLoad('a', () => Promise.reject(new Error('origin')), call)

    expect(found).toMatchObject({
      value: 'old',
      tier: 'isolate',
      isStale: true,
      degraded: 'load_failed',
    })
  })

  test('of any kind it is a cache of the isolate', async () => {
    const { isolate } = openWorld(0)
    const { cache } = isolate()
    const space = cache.space<string>('p', policy)
    await space.getOrLoad('a', valueOf('v'), call)

    expect(await space.getOrLoad('a', valueOf('x'), call)).toMatchObject({ tier: 'isolate' })
    await cache.invalidate([{ space: 'p', key: 'a' }], call)
    expect(await space.getOrLoad('a', valueOf('w'), call)).toMatchObject({ value: 'w' })
  })
})

describe('an invalidation', () => {
  test('is tried though readers have given the database up, and says when it failed', async () => {
    const { isolate, clock, database } = openWorld()
    const { cache } = isolate()
    const space = cache.space<string>('p', { ...policy, isolateTtlMs: 0 })
    const these = [{ space: 'p', key: 'a', version: 2 }]
    await space.getOrLoad('a', valueOf('v1', 1), call)
    database.mood = 'hangs'
    for (let at = 0; at < 3; at += 1) {
      await elapse(clock, space.getOrLoad(`k${at}`, valueOf('v'), call))
    }
    await expect(elapse(clock, cache.invalidate(these, call))).rejects.toMatchObject({
      code: 'redis_unavailable',
    })
    database.mood = 'well'
    await cache.invalidate(these, call)
    clock.advance(2_000)

    expect(await space.getOrLoad('a', valueOf('v2', 2), call)).toMatchObject({
      value: 'v2',
      degraded: undefined,
    })
  })
})

describe('a reader that lags', () => {
  test('answers hits, and never a miss, nor one who has just written or names a version', async () => {
    const { isolate, redis, clock } = openWorld(2)
    const [primary, lagging] = redis
    if (primary === undefined || lagging === undefined) throw new Error('There are two databases')
    const { cache } = isolate({ redis: [{ primary, readers: [lagging] }] })
    const space = cache.space<string>('p', { ...policy, isolateTtlMs: 0 })
    await space.getOrLoad('a', valueOf('v1', 1), call)
    const raw = await primary.run(['GET', 'test:c:p:a'], call, { idempotent: true })
    await lagging.run(['SET', 'test:c:p:a', String(raw)], call, { idempotent: true })
    primary.trips.length = 0
    expect(await space.getOrLoad('a', valueOf('x'), call)).toMatchObject({
      value: 'v1',
      tier: 'redis',
    })
    expect(primary.trips).toHaveLength(0)

    await cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)

    expect(await space.getOrLoad('a', valueOf('v2', 2), call)).toMatchObject({ value: 'v2' })
    const named = await space.getOrLoad({ key: 'a', minVersion: 2 }, valueOf('x', 2), call)
    expect(named).toMatchObject({ value: 'v2' })
    clock.advance(10_001)
    // The bound of a reader is its lag: it still has the old value, which others may see until then.
    expect(await space.getOrLoad('a', valueOf('x'), call)).toMatchObject({ value: 'v1' })
  })
})

describe('bad input', () => {
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  test.each<[string, unknown, string]>([
    ['a function', { f: () => 1 }, '$.f'],
    ['a bigint', [1n], '$[0]'],
    ['a symbol', { a: { b: Symbol('x') } }, '$.a.b'],
    ['not a number', { n: Number.NaN }, '$.n'],
    ['a date', { at: new Date(0) }, '$.at'],
    ['a map', new Map(), '$'],
    ['a hole in a list', [1, undefined], '$[1]'],
    ['a cycle', circle, '$.self'],
  ])('%s is refused, and nothing is kept of it', async (_name, value, path) => {
    const { isolate, database } = openWorld()
    const space = isolate().cache.space('p', policy)

    await expect(space.getOrLoad('a', valueOf(value, 1), call)).rejects.toMatchObject({
      code: 'cache_value_unserialisable',
      path,
    })
    await settled()

    const held = await database.run(['GET', 'test:c:p:a'], call, { idempotent: true })
    expect(String(held)).not.toMatch(/^E/)
    expect(await space.getOrLoad('a', valueOf('good', 1), call)).toMatchObject({ value: 'good' })
  })

  test('a value and a key that are too large are refused with their sizes', async () => {
    const { isolate, database } = openWorld(1, { limits: { valueBytesMax: 100, keyBytesMax: 60 } })
    const space = isolate().cache.space<string>('p', policy)

    await expect(space.getOrLoad('a', valueOf('é'.repeat(60)), call)).rejects.toMatchObject({
      code: 'cache_value_too_large',
      sizeBytes: 122,
      limitBytes: 100,
    })
    const trips = database.trips.length
    await expect(space.getOrLoad('é'.repeat(40), valueOf('x'), call)).rejects.toMatchObject({
      code: 'cache_key_too_long',
      limitBytes: 60,
    })
    expect(database.trips.length).toBe(trips)
  })

  test('a version that is no whole number is a bug, and said to be one', async () => {
    const { isolate } = openWorld()
    const space = isolate().cache.space<string>('p', policy)

    await expect(space.getOrLoad('a', valueOf('v', 1.5), call)).rejects.toThrow(RangeError)
    await expect(space.getOrLoad({ key: 'a', minVersion: -1 }, valueOf('v'), call)).rejects.toThrow(
      RangeError,
    )
  })

  test('a policy or a bound that contradicts itself is refused when it is given', () => {
    const { isolate } = openWorld()
    const { cache } = isolate()

    expect(() => cache.space('a', { ttlMs: 0 })).toThrow(RangeError)
    expect(() => cache.space('b', { ttlMs: 1, timeouts: { hardMs: 300_000 } })).toThrow(
      'tombstoneMs',
    )
    expect(() => isolate({ namespace: 'a:b' })).toThrow('Cannot name')
    expect(() => isolate({ isolate: { bytesMax: 0 } })).toThrow('positive')
  })

  test('text in Redis that is no entry is replaced', async () => {
    const { isolate, database } = openWorld()
    for (const garbage of ['', 'E', 'E{}\nx', 'L:x', 'T:', 'other']) {
      await database.run(['SET', 'test:c:p:a', garbage], call, { idempotent: true })
      const found = await isolate().cache.space('p', policy).getOrLoad('a', valueOf('v'), call)
      await settled()
      const again = await isolate().cache.space('p', policy).getOrLoad('a', valueOf('x'), call)
      expect([found.value, again.value]).toEqual(['v', 'v'])
    }
  })
})
