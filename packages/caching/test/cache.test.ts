import { describe, expect, test } from 'vitest'

import { call, elapse, gatedLoad, openWorld, settled, valueOf } from './harness.ts'

const policy = { ttlMs: 60_000, jitter: 0, earlyRenewal: 0 }

describe('getOrLoad', () => {
  test('loads once, then answers from the isolate, and elsewhere from Redis', async () => {
    const { isolate } = openWorld()
    const [one, two] = [isolate(), isolate()]
    const [here, there] = [
      one.cache.space<string>('p', policy),
      two.cache.space<string>('p', policy),
    ]

    const first = await here.getOrLoad('a', valueOf('v1', 1), call)
    await settled()
    const second = await here.getOrLoad('a', valueOf('never'), call)
    const third = await there.getOrLoad('a', valueOf('never'), call)

    expect([first, second, third]).toMatchObject([
      { value: 'v1', version: 1, tier: 'loader', isStale: false },
      { value: 'v1', version: 1, tier: 'isolate', isStale: false },
      { value: 'v1', version: 1, tier: 'redis', isStale: false },
    ])
  })

  test('costs one round trip before the load of a miss, and one for a hit in Redis', async () => {
    const { isolate, database } = openWorld()
    const before: number[] = []
    const load = () => {
      before.push(database.trips.length)
      return Promise.resolve({ value: 1 })
    }

    await isolate().cache.space('p', policy).getOrLoad('a', load, call)
    await settled()
    const filled = database.trips.length
    await isolate().cache.space('p', policy).getOrLoad('a', load, call)

    expect([before, filled, database.trips.length]).toEqual([[1], 2, 3])
  })

  test('costs one command for a hit when the lease is not taken at once', async () => {
    const { isolate, database } = openWorld()
    const lazy = { ...policy, eagerLease: false }
    await isolate().cache.space('p', lazy).getOrLoad('a', valueOf(1), call)
    await settled()
    database.trips.length = 0

    await isolate().cache.space('p', lazy).getOrLoad('a', valueOf(2), call)

    expect(database.trips).toEqual([[['MGET', 'test:c:p:a']]])
  })

  test('runs one load for a hundred callers, and one that fails too', async () => {
    const { isolate, clock } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    const [good, bad] = [gatedLoad('v'), gatedLoad('v')]

    const all = Promise.all(
      Array.from({ length: 100 }, () => space.getOrLoad('a', good.load, call)),
    )
    const failing = Promise.allSettled(
      Array.from({ length: 50 }, () => space.getOrLoad('b', bad.load, call)),
    )
    await settled()
    good.open()
    bad.fail(new Error('origin'))

    expect(new Set((await elapse(clock, all)).map(({ value }) => value))).toEqual(new Set(['v']))
    const outcomes = await elapse(clock, failing)
    expect(outcomes.every((each) => each.status === 'rejected')).toBe(true)
    expect([good.runs(), bad.runs()]).toEqual([1, 1])
  })

  test('runs one load for many isolates: the others wait for the lease', async () => {
    const { isolate, clock } = openWorld()
    const load = gatedLoad('v', 1)
    const all = Promise.all(
      Array.from({ length: 20 }, () =>
        isolate().cache.space<string>('p', policy).getOrLoad('a', load.load, call),
      ),
    )
    await settled()
    load.open()

    const found = await elapse(clock, all)

    expect(found.filter(({ tier }) => tier === 'redis')).toHaveLength(19)
    expect(load.runs()).toBe(1)
  })

  test('takes the lease of a leader that died over, in bounded time', async () => {
    const { isolate, clock } = openWorld()
    const dead = gatedLoad('never')
    void isolate().cache.space<string>('p', policy).getOrLoad('a', dead.load, call)
    await settled()
    const began = clock.now()

    const found = await elapse(
      clock,
      isolate().cache.space<string>('p', policy).getOrLoad('a', valueOf('v'), call),
    )

    expect(found).toMatchObject({ value: 'v', tier: 'loader' })
    expect(clock.now() - began).toBeLessThan(2_500)
  })

  test('answers the joiners of a load that never ends, in bounded time and by one more load', async () => {
    const { isolate, clock } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    void space.getOrLoad('a', () => new Promise(() => undefined), call).catch(() => undefined)
    await settled()
    const began = clock.now()
    let runs = 0
    const load = () => {
      runs += 1
      return Promise.resolve({ value: 'v' })
    }

    const found = await elapse(
      clock,
      Promise.all(Array.from({ length: 30 }, () => space.getOrLoad('a', load, call))),
    )

    expect(new Set(found.map(({ value }) => value))).toEqual(new Set(['v']))
    expect(clock.now() - began).toBeLessThan(1_000 + 2_500)
    expect(runs).toBeLessThanOrEqual(2)
  })

  test('runs one load that takes longer than the time of an isolate, whenever its callers come', async () => {
    const { isolate, clock } = openWorld()
    const space = isolate().cache.space<string>('p', { ...policy, timeouts: { joinMs: 9_000 } })
    const load = gatedLoad('v')
    const all: Promise<unknown>[] = []
    for (let at = 0; at < 50; at += 1) {
      all.push(space.getOrLoad('a', load.load, call))
      await settled()
      clock.advance(100)
    }
    load.open()
    await elapse(clock, Promise.all(all))

    expect(load.runs()).toBe(1)
  })

  test('lets a caller who hangs up go, and the load go on for the others', async () => {
    const { isolate } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    const load = gatedLoad('v')
    const hanging = new AbortController()
    const gone = space.getOrLoad('a', load.load, { ...call, signal: hanging.signal })
    const stays = space.getOrLoad('a', load.load, call)
    await settled()

    hanging.abort(new Error('hung up'))
    await expect(gone).rejects.toThrow('hung up')
    load.open()

    expect(await stays).toMatchObject({ value: 'v' })
    expect(load.runs()).toBe(1)
  })

  test('ends a load at its hard limit', async () => {
    const { isolate, clock } = openWorld()
    const space = isolate().cache.space('p', { ...policy, timeouts: { hardMs: 300 } })

    const failing = elapse(
      clock,
      space.getOrLoad('a', () => new Promise(() => undefined), call),
    )

    await expect(failing).rejects.toMatchObject({ code: 'deadline_exceeded' })
  })

  test('keeps spaces, and keys that only look alike, apart', async () => {
    const { isolate } = openWorld()
    const { cache } = isolate()
    await cache.space<string>('a', policy).getOrLoad('b:c', valueOf('1'), call)
    await cache.space<string>('a.b', policy).getOrLoad('c', valueOf('2'), call)
    await settled()
    const other = isolate().cache

    expect([
      await other.space<string>('a', policy).getOrLoad('b:c', valueOf('x'), call),
      await other.space<string>('a.b', policy).getOrLoad('c', valueOf('x'), call),
    ]).toMatchObject([{ value: '1' }, { value: '2' }])
    expect(() => cache.space('a:b', policy)).toThrow('Cannot name')
    expect(() => cache.space('a', policy)).toThrow('twice')
  })
})

describe('an old value', () => {
  const graceful = { ...policy, ttlMs: 1_000, graceMs: 60_000, isolateTtlMs: 0 }

  test('answers at once while it is renewed, by one of many isolates', async () => {
    const { isolate, clock } = openWorld()
    const swr = { ...graceful, staleWhileRevalidate: true }
    const spaces = Array.from({ length: 10 }, () => isolate().cache.space<string>('p', swr))
    await spaces[0]?.getOrLoad('a', valueOf('old', 1), call)
    clock.advance(2_000)
    const load = gatedLoad('new', 2)

    const found = await Promise.all(spaces.map((space) => space.getOrLoad('a', load.load, call)))
    await settled()
    load.open()
    await settled()
    const after = await spaces[5]?.getOrLoad('a', valueOf('never'), call)

    expect(found.every(({ value, isStale }) => value === 'old' && isStale)).toBe(true)
    expect(load.runs()).toBe(1)
    expect(after).toMatchObject({ value: 'new', isStale: false })
  })

  test('answers in place of a load that is slow, which goes on', async () => {
    const { isolate, clock } = openWorld()
    const space = isolate().cache.space<string>('p', graceful)
    await space.getOrLoad('a', valueOf('old'), call)
    clock.advance(2_000)
    const load = gatedLoad('new')

    const slow = await elapse(clock, space.getOrLoad('a', load.load, call))
    load.open()
    await settled()

    expect(slow).toMatchObject({ value: 'old', isStale: true, degraded: 'load_slow' })
    expect(await space.getOrLoad('a', valueOf('never'), call)).toMatchObject({ value: 'new' })
  })

  test('answers in place of a load that fails, until its grace ends', async () => {
    const { isolate, clock } = openWorld()
    const { cache, reports } = isolate()
    const space = cache.space<string>('p', graceful)
    await space.getOrLoad('a', valueOf('old'), call)
    const fail = () => Promise.reject(new Error('origin'))
    clock.advance(2_000)

    const during = await space.getOrLoad('a', fail, call)
    clock.advance(60_000)

    expect(during).toMatchObject({ value: 'old', isStale: true, degraded: 'load_failed' })
    expect(reports).toHaveLength(1)
    await expect(elapse(clock, space.getOrLoad('a', fail, call))).rejects.toThrow('origin')
  })

  test('never answers once it was invalidated', async () => {
    const { isolate, clock } = openWorld()
    const { cache } = isolate()
    const space = cache.space<string>('p', { ...graceful, staleWhileRevalidate: true })
    await space.getOrLoad('a', valueOf('old', 1), call)
    clock.advance(2_000)
    await cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)

    expect(await space.getOrLoad('a', valueOf('new', 2), call)).toMatchObject({ value: 'new' })
  })
})

describe('what is not there', () => {
  test('is known for a while, and longer when it was asked for before', async () => {
    const { isolate, clock } = openWorld()
    let runs = 0
    const load = () => {
      runs += 1
      return Promise.resolve({ value: undefined })
    }
    const space = isolate().cache.space('p', { ...policy, negativeTtlMs: 5_000 })

    const first = await space.getOrLoad('a', load, call)
    await space.getOrLoad('a', load, call)
    expect([first.value, runs]).toEqual([undefined, 1])
    clock.advance(1_500)
    await space.getOrLoad('a', load, call)
    clock.advance(4_000)
    await space.getOrLoad('a', load, call)
    expect(runs).toBe(2)
    clock.advance(2_000)
    await space.getOrLoad('a', load, call)

    expect(runs).toBe(3)
  })

  test('leaves nothing in Redis when nothing is to be kept', async () => {
    const { isolate, clock, database } = openWorld()
    const space = isolate().cache.space('p', { ...policy, negativeTtlMs: 0, isolateTtlMs: 0 })
    await space.getOrLoad('a', valueOf(undefined), call)
    await settled()
    clock.advance(2)

    expect(await database.run(['GET', 'test:c:p:a'], call, { idempotent: true })).toBeNull()
  })

  test('does not drive out what is used, though a flood of made-up keys is asked for', async () => {
    const { isolate, clock } = openWorld(1, { isolate: { entriesMax: 100 } })
    const space = isolate().cache.space('p', { ...policy, isolateTtlMs: 60_000 })
    const good = Array.from({ length: 30 }, (_, at) => `good${at}`)
    for (let round = 0; round < 4; round += 1) {
      for (const key of good) await space.getOrLoad(key, valueOf('v'), call)
    }
    for (let at = 0; at < 1_000; at += 1) {
      await space.getOrLoad(`made-up${at}`, valueOf(undefined), call)
    }
    clock.advance(1_500)

    const found = await Promise.all(good.map((key) => space.getOrLoad(key, valueOf('w'), call)))

    expect(found.filter(({ tier }) => tier === 'isolate').length).toBeGreaterThan(27)
  })
})

describe('invalidate', () => {
  test('is seen at once here, and in another isolate after its own time at most', async () => {
    const { isolate, clock } = openWorld()
    const [one, two] = [isolate(), isolate()]
    const [here, there] = [
      one.cache.space<string>('p', policy),
      two.cache.space<string>('p', policy),
    ]
    await here.getOrLoad('a', valueOf('v1', 1), call)
    await settled()
    await there.getOrLoad('a', valueOf('x'), call)

    await one.cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)

    expect(await there.getOrLoad('a', valueOf('x'), call)).toMatchObject({ value: 'v1' })
    expect(await here.getOrLoad('a', valueOf('v2', 2), call)).toMatchObject({ value: 'v2' })
    clock.advance(1_000)
    await settled()
    expect(await there.getOrLoad('a', valueOf('x'), call)).toMatchObject({ value: 'v2' })
  })

  test('counts the time of an isolate from before the load: a slow load stretches nothing', async () => {
    const { isolate, clock } = openWorld()
    const [one, two] = [isolate(), isolate()]
    const space = one.cache.space<string>('p', policy)
    const load = gatedLoad('v1', 1)
    const reading = space.getOrLoad('a', load.load, call)
    await settled()
    await two.cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)
    clock.advance(900)
    load.open()
    await reading
    clock.advance(100)

    expect(await space.getOrLoad('a', valueOf('v2', 2), call)).toMatchObject({ value: 'v2' })
  })

  test('keeps what a load under way here brings out of the isolate', async () => {
    const { isolate } = openWorld()
    const { cache } = isolate()
    const space = cache.space<string>('p', policy)
    const load = gatedLoad('v1', 1)
    const reading = space.getOrLoad('a', load.load, call)
    await settled()
    await cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)
    load.open()
    await reading
    await settled()

    expect(await space.getOrLoad('a', valueOf('v2', 2), call)).toMatchObject({ value: 'v2' })
  })

  test('does no harm twice, late, or out of order', async () => {
    const { isolate, database } = openWorld()
    const { cache } = isolate()
    const invalidate = (version: number) =>
      cache.invalidate([{ space: 'p', key: 'a', version }], call)
    await invalidate(3)
    await invalidate(2)
    await invalidate(3)
    const space = cache.space<string>('p', { ...policy, isolateTtlMs: 0 })

    const lagging = await space.getOrLoad('a', valueOf('v2', 2), call)
    const right = await space.getOrLoad('a', valueOf('v3', 3), call)
    await invalidate(3)
    const trips = database.trips.length
    const kept = await space.getOrLoad('a', valueOf('never'), call)

    expect([lagging, right, kept]).toMatchObject([
      { value: 'v2', tier: 'loader' },
      { value: 'v3', tier: 'loader' },
      { value: 'v3', tier: 'redis' },
    ])
    expect(database.trips.length - trips).toBe(1)
  })

  test('costs one round trip where there is nothing, two where there is', async () => {
    const { isolate, database } = openWorld()
    const { cache } = isolate()
    await cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)
    const absent = database.trips.length
    await cache.space('p', policy).getOrLoad('b', valueOf(1, 1), call)
    await settled()
    const before = database.trips.length

    await cache.invalidate(
      [
        { space: 'p', key: 'b', version: 2 },
        { space: 'p', key: 'c' },
      ],
      call,
    )

    expect([absent, database.trips.length - before]).toEqual([1, 2])
  })

  test('throws when Redis did not answer, so that the event comes again', async () => {
    const { isolate, database } = openWorld()
    const { cache } = isolate()
    database.mood = 'loses replies'
    const these = [{ space: 'p', key: 'a', version: 2 }]
    await expect(cache.invalidate(these, call)).rejects.toMatchObject({ code: 'redis_unavailable' })
    database.mood = 'well'

    await expect(cache.invalidate(these, call)).resolves.toBeUndefined()
  })
})

describe('tags', () => {
  const asks = (key: string) => ({ key, tags: ['seller:1', 'sale'] })

  test('void every entry under them, in all isolates, whenever it is filled in', async () => {
    const { isolate, clock } = openWorld(3)
    const [one, two] = [isolate(), isolate()]
    const [here, there] = [
      one.cache.space<string>('p', policy),
      two.cache.space<string>('p', policy),
    ]
    for (const key of ['a', 'b', 'c', 'd']) await here.getOrLoad(asks(key), valueOf('old'), call)
    const late = gatedLoad('old')
    const loading = there.getOrLoad(asks('e'), late.load, call)
    await settled()

    await one.cache.invalidate([{ tag: 'sale' }], call)
    late.open()
    await loading
    clock.advance(1_001)
    await settled()

    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      expect(await there.getOrLoad(asks(key), valueOf('new'), call)).toMatchObject({ value: 'new' })
      expect(await here.getOrLoad(asks(key), valueOf('x'), call)).toMatchObject({ value: 'new' })
    }
  })

  test('that Redis has lost void their entries too', async () => {
    const { isolate, database } = openWorld()
    const space = isolate().cache.space<string>('p', { ...policy, isolateTtlMs: 0 })
    await space.getOrLoad(asks('a'), valueOf('old'), call)
    expect(await space.getOrLoad(asks('a'), valueOf('x'), call)).toMatchObject({ value: 'old' })
    await database.run(['DEL', 'test:t:sale'], call, { idempotent: true })

    expect(await space.getOrLoad(asks('a'), valueOf('new'), call)).toMatchObject({ value: 'new' })
  })
})

describe('minVersion', () => {
  test('is never answered with less, by any tier', async () => {
    const { isolate } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    await space.getOrLoad('a', valueOf('v1', 1), call)
    await settled()

    const seen = await space.getOrLoad({ key: 'a', minVersion: 2 }, valueOf('v2', 2), call)

    expect(seen).toMatchObject({ value: 'v2', version: 2, tier: 'loader' })
    expect(await space.getOrLoad('a', valueOf('x'), call)).toMatchObject({ value: 'v2' })
  })

  test('tells the loader to ask the primary, and refuses an origin that is behind', async () => {
    const { isolate } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    const wanted: number[] = []
    const load = ({ minVersion }: { minVersion: number }) => {
      wanted.push(minVersion)
      return Promise.resolve({ value: 'v1', version: 1 })
    }

    await expect(space.getOrLoad({ key: 'a', minVersion: 2 }, load, call)).rejects.toMatchObject({
      code: 'stale_read',
      version: 1,
      minVersion: 2,
    })
    expect(wanted).toEqual([2])
  })

  test('that nobody wrote cannot spoil the entry for others', async () => {
    const { isolate } = openWorld()
    const space = isolate().cache.space<string>('p', { ...policy, isolateTtlMs: 0 })
    await space.getOrLoad('a', valueOf('v1', 1), call)
    const absurd = { key: 'a', minVersion: 1_000_000 }
    await expect(space.getOrLoad(absurd, valueOf('v1', 1), call)).rejects.toThrow('1000000')
    await settled()

    const found = await space.getOrLoad('a', valueOf('never'), call)

    expect(found).toMatchObject({ value: 'v1', tier: 'redis' })
  })

  test('asks the edge, and only under a version', async () => {
    const pages = new Map<string, Response>()
    const edge = {
      match: async (url: string) => pages.get(url)?.clone(),
      put: async (url: string, response: Response) => {
        pages.set(url, response)
      },
    }
    const { isolate, database } = openWorld(1, { edge })
    const ask = { key: 'a', minVersion: 2 }
    await isolate().cache.space<string>('p', policy).getOrLoad('b', valueOf('w'), call)
    await isolate().cache.space<string>('p', policy).getOrLoad(ask, valueOf('v2', 2), call)
    await settled()
    expect([...pages.keys()]).toEqual(['https://cache.stoa.invalid/test%3Ac%3Ap%3Aa?v=2'])
    const trips = database.trips.length

    const found = await isolate()
      .cache.space<string>('p', policy)
      .getOrLoad(ask, valueOf('x'), call)

    expect(found).toMatchObject({ value: 'v2', tier: 'edge' })
    expect(database.trips.length).toBe(trips)
  })
})

describe('getOrLoadMany', () => {
  test('asks each database with one MGET and the origin once, in order', async () => {
    const { isolate, redis } = openWorld(2)
    const keys = Array.from({ length: 40 }, (_, at) => `k${at}`)
    const loads: string[][] = []
    const load = (wanted: readonly { key: string }[]) => {
      loads.push(wanted.map(({ key }) => key))
      return Promise.resolve(
        new Map(
          wanted.map(({ key }) => [key, { value: key === 'k0' ? undefined : key.toUpperCase() }]),
        ),
      )
    }

    const found = await isolate().cache.space<string>('p', policy).getOrLoadMany(keys, load, call)
    await settled()
    const trips = redis.map((database) => database.trips.length)
    const again = await isolate().cache.space<string>('p', policy).getOrLoadMany(keys, load, call)

    expect(found.map(({ value }) => value)).toEqual([
      undefined,
      ...keys.slice(1).map((key) => key.toUpperCase()),
    ])
    expect(again.map(({ value }) => value)).toEqual(found.map(({ value }) => value))
    expect(loads.map((each) => each.toSorted())).toEqual([keys.toSorted()])
    expect(redis.map(({ trips: all }, at) => all.length - (trips[at] ?? 0))).toEqual([1, 1])
    expect(redis.map(({ trips: all }) => all.at(-1)?.length)).toEqual([1, 1])
    // Looked at, leases taken, filled in.
    expect(trips).toEqual([3, 3])
  })

  test('shares loads with single asks, and holds twice the same key once', async () => {
    const { isolate } = openWorld()
    const space = isolate().cache.space<string>('p', policy)
    const one = gatedLoad('v')
    const single = space.getOrLoad('a', one.load, call)
    const many = space.getOrLoadMany(
      ['a', 'b', 'b'],
      (wanted) => Promise.resolve(new Map(wanted.map(({ key }) => [key, { value: `m${key}` }]))),
      call,
    )
    await settled()
    one.open()

    expect((await many).map(({ value }) => value)).toEqual(['v', 'mb', 'mb'])
    expect((await single).value).toBe('v')
  })
})
