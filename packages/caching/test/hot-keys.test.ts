import { manualClock, seededRandom } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createHotKeys } from '../src/hot-keys.ts'
import { SpaceSaving } from '../src/space-saving.ts'
import { call, elapse, openWorld, settled, valueOf } from './harness.ts'
import { zipf } from './traces.ts'

describe('Space-Saving', () => {
  test('finds every key with more than N/m uses, and counts none too low', () => {
    const uses = fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 600 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), uses, (m, all) => {
        const counted = new SpaceSaving(m)
        const truth = new Map<string, number>()
        for (const key of all.map(String)) {
          counted.add(key)
          truth.set(key, (truth.get(key) ?? 0) + 1)
        }
        const top = counted.top()
        expect(top.length).toBeLessThanOrEqual(m)
        const frequent = [...truth].filter(([, count]) => count > all.length / m)
        const found = top.map((each) => each.key)
        expect(frequent.filter(([key]) => !found.includes(key))).toEqual([])
        for (const { key, count, error } of top) {
          expect(count).toBeGreaterThanOrEqual(truth.get(key) ?? 0)
          expect(count - error).toBeLessThanOrEqual(truth.get(key) ?? 0)
        }
      }),
    )
  })
})

describe('a key', () => {
  const options = { hits: 20, windowMs: 2_000, forMs: 10_000 }

  test('is hot after enough uses in a window, for a while, and told of once', () => {
    const clock = manualClock(1)
    const hot = createHotKeys(options, clock)
    const news = Array.from({ length: 100 }, () => hot.record('a', 1)).filter(Boolean)

    expect([news.length, hot.isHot('a'), hot.isHot('b')]).toEqual([1, true, false])
    clock.advance(10_001)
    expect(hot.isHot('a')).toBe(false)
  })

  test('that is used slowly is never hot', () => {
    const clock = manualClock(1)
    const hot = createHotKeys(options, clock)
    for (let at = 0; at < 500; at += 1) {
      hot.record('a', 1)
      clock.advance(150)
    }

    expect(hot.isHot('a')).toBe(false)
  })
})

describe('copies of hot keys', { timeout: 60_000 }, () => {
  const policy = { ttlMs: 60_000, jitter: 0, earlyRenewal: 0, isolateTtlMs: 0, eagerLease: false }
  const hot = { hits: 20, windowMs: 2_000, forMs: 60_000 }

  /** Uses one key until every isolate asks its copies. */
  async function heated(databases: number) {
    const world = openWorld(databases, { hot })
    const isolates = [world.isolate(), world.isolate()]
    const spaces = isolates.map(({ cache }) => cache.space<string>('p', policy))
    for (let at = 0; at < 200; at += 1) {
      for (const space of spaces) await space.getOrLoad('a', valueOf('v1', 1), call)
    }
    await settled()
    return { ...world, isolates, spaces }
  }

  test('lie on all databases, each loaded from the entry, and the origin was asked once', async () => {
    const { redis, isolate } = await heated(4)
    let loads = 0
    const space = isolate().cache.space<string>('p', policy)
    for (const database of redis) database.trips.length = 0
    for (let at = 0; at < 400; at += 1) {
      await space.getOrLoad('a', () => Promise.resolve({ value: `x${(loads += 1)}` }), call)
    }

    expect(loads).toBe(0)
    const counts = redis.map(({ trips }) => trips.length)
    // It learnt from the mark beside the entry, with its first question.
    expect(Math.max(...counts)).toBeLessThan((400 / 4) * 1.4)
  })

  test('come about though all uses of the key are at once, and most wait for one fetch', async () => {
    const { redis, isolate, clock } = openWorld(4, { hot })
    const space = isolate().cache.space<string>('p', { ...policy, isolateTtlMs: 1_000 })
    for (let burst = 0; burst < 30; burst += 1) {
      await Promise.all(
        Array.from({ length: 25 }, () => space.getOrLoad('a', valueOf('v1', 1), call)),
      )
      // What the isolate holds is too old by then.
      clock.advance(1_001)
    }
    await settled()

    const asked = redis.filter(({ trips }) => trips.length > 0)
    expect(asked).toHaveLength(4)
  })

  test('are all forgotten with the entry, whatever is being loaded meanwhile', async () => {
    const { isolates, spaces } = await heated(4)
    await isolates[0]?.cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)

    const seen = new Set<string | undefined>()
    for (let at = 0; at < 100; at += 1) {
      for (const space of spaces)
        seen.add((await space.getOrLoad('a', valueOf('v2', 2), call)).value)
    }
    expect(seen).toEqual(new Set(['v2']))
  })

  test('do not keep a copy that was read before the entry was buried', async () => {
    const { isolates, spaces, redis, clock } = await heated(2)
    const stop = Promise.withResolvers<void>()
    // The copy expires, and is loaded again from the entry: just then a write comes.
    for (const database of redis) {
      for (const key of ['test:c:p:a#1', 'test:c:p:a']) {
        await database.run(['DEL', key], call, { idempotent: true })
      }
    }
    const load = async () => {
      await stop.promise
      return { value: 'v1', version: 1 }
    }
    const reading = Promise.all(
      Array.from({ length: 10 }, async (_, at) => spaces[at % 2]?.getOrLoad('a', load, call)),
    )
    await settled()
    await isolates[1]?.cache.invalidate([{ space: 'p', key: 'a', version: 2 }], call)
    stop.resolve()
    await elapse(clock, reading)
    await settled()

    for (let at = 0; at < 50; at += 1) {
      expect(await spaces[0]?.getOrLoad('a', valueOf('v2', 2), call)).toMatchObject({ value: 'v2' })
    }
  })

  test('keep every database within a quarter of the mean, at Zipf 1.2', async () => {
    const { redis, isolate, clock } = openWorld(4, { hot })
    const spaces = [isolate(), isolate()].map(({ cache }) => cache.space<string>('p', policy))
    const next = zipf(500, 1.2, seededRandom(3))
    const read = async (times: number) => {
      for (let at = 0; at < times; at += 1) {
        await spaces[at % 2]?.getOrLoad(`k${next()}`, valueOf('v', 1), call)
        if (at % 20 === 0) clock.advance(5)
      }
    }
    await read(1_000)
    for (const database of redis) database.trips.length = 0
    await read(3_000)

    const counts = redis.map(({ trips }) => trips.flat().length)
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
    expect(Math.max(...counts) / mean).toBeLessThanOrEqual(1.25)
  })
})
