import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  createIds,
  idFromTimeKey,
  idLength,
  manualClock,
  parseId,
  prefixOf,
  prefixOfText,
  type Random,
  secureRandom,
  seededRandom,
  timeKey,
  timeOf,
} from '../src/index.ts'

const start = 1_790_000_000_000

function maker(seed: number, clock = manualClock(start)) {
  return createIds({ clock, random: seededRandom(seed) })
}

/** A random source that says `first`, and then 5 for ever. */
function fixedRandom(first: number): Random {
  const words = [first]
  return { uint32: () => words.shift() ?? 5, bytes: (length) => new Uint8Array(length) }
}

const seeds = fc.integer()
const times = fc.integer({ min: 0, max: 2 ** 45 - 2 })

test('an id says its place and its time', () => {
  fc.assert(
    fc.property(fc.string(), seeds, times, (key, seed, time) => {
      const id = maker(seed, manualClock(time)).root(key)

      expect(id).toHaveLength(idLength)
      expect(parseId(id)).toBe(id)
      expect(prefixOf(id)).toBe(prefixOfText(key))
      expect(timeOf(id)).toBe(time)
    }),
  )
})

test('a child begins with the five characters of its owner', () => {
  fc.assert(
    fc.property(fc.string(), seeds, (key, seed) => {
      const ids = maker(seed)
      const owner = ids.root(key)
      expect(prefixOf(ids.child(ids.child(owner)))).toBe(prefixOf(owner))
    }),
  )
})

test('a thousand children of one frozen millisecond are distinct and in order', () => {
  fc.assert(
    fc.property(fc.string(), seeds, (key, seed) => {
      const ids = maker(seed)
      const owner = ids.root(key)

      const children = Array.from({ length: 1000 }, () => ids.child(owner))

      expect(new Set(children).size).toBe(1000)
      expect(children.toSorted()).toEqual(children)
      expect(children.every((child) => timeOf(child) - start <= 1)).toBe(true)
    }),
    { numRuns: 20 },
  )
})

test('ids of one maker ascend by time key over all owners, while the clock stands, runs or goes back', () => {
  const steps = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 60 })
  fc.assert(
    fc.property(steps, seeds, (list, seed) => {
      const clock = manualClock(start)
      const ids = maker(seed, clock)
      const keys = list.map((step, i) => {
        clock.advance(step)
        return timeKey(ids.root(`owner ${i % 7}`))
      })

      expect(new Set(keys.map(idFromTimeKey)).size).toBe(keys.length)
      expect(keys.toSorted()).toEqual(keys)
    }),
  )
})

test('a full tail borrows the next millisecond', () => {
  const ids = createIds({ clock: manualClock(start), random: fixedRandom(2 ** 30 - 2) })

  const three = [1, 2, 3].map(() => ids.rootAt('00000'))

  expect(three.map(timeOf)).toEqual([start, start, start + 1])
  expect(three.map((id) => id.slice(14))).toEqual(['ZZZZZY', 'ZZZZZZ', '000005'])
})

test('time never goes back after it was borrowed', () => {
  const clock = manualClock(start)
  const ids = createIds({ clock, random: fixedRandom(2 ** 30 - 1) })
  const first = ids.rootAt('00000')
  const borrowed = ids.rootAt('00000')

  clock.advance(1)
  const after = ids.rootAt('00000')

  expect([first, borrowed, after].toSorted()).toEqual([first, borrowed, after])
  expect(timeOf(after)).toBe(start + 1)
})

test('two isolates that make a thousand children each in the same millisecond do not collide', () => {
  let collisions = 0
  for (let seed = 0; seed < 200; seed += 1) {
    const one = maker(seed)
    const two = maker(seed + 1_000_000)
    const children = new Set(
      Array.from({ length: 1000 }, () => [one.rootAt('00000'), two.rootAt('00000')]).flat(),
    )
    collisions += 2000 - children.size
  }

  // Chance of one run to overlap: 2,000 / 2^30, so 1 in 2,700 for all 200; the seeds are fixed.
  expect(collisions).toBe(0)
})

test('ids of a secure maker begin at a random tail', () => {
  const tails = Array.from({ length: 50 }, () =>
    createIds({ clock: manualClock(start), random: secureRandom })
      .rootAt('00000')
      .slice(14),
  )

  expect(new Set(tails).size).toBeGreaterThan(45)
})

test('a time key goes back to its id, and sorts by time before owner', () => {
  fc.assert(
    fc.property(fc.tuple(fc.string(), fc.string()), times, times, ([a, b], earlier, later) => {
      fc.pre(earlier !== later)
      const one = maker(1, manualClock(earlier)).root(a)
      const two = maker(2, manualClock(later)).root(b)

      expect(idFromTimeKey(timeKey(one))).toBe(one)
      expect(timeKey(one) < timeKey(two)).toBe(earlier < later)
    }),
  )
})

test.for([-1, 2 ** 45, Number.NaN, Infinity])('no id is made at %d ms', (time) => {
  expect(() => maker(1, manualClock(time)).root('x')).toThrow(RangeError)
})

test('a prefix or an owner that is none makes no id', () => {
  for (const prefix of ['', '0000', '000000', 'G0000', '0000i', 'abcde']) {
    expect(() => maker(1).rootAt(prefix)).toThrow(expect.objectContaining({ code: 'invalid_id' }))
  }
  expect(() => maker(1).child('00000')).toThrow(expect.objectContaining({ code: 'invalid_id' }))
})
