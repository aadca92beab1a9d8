import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { mergeSummaries, SpaceSaving, type Summary } from '../src/index.ts'

const stream = fc.array(fc.tuple(fc.nat(40).map(String), fc.integer({ min: 1, max: 9 })), {
  maxLength: 300,
})
const size = 8

function truth(heard: readonly (readonly [string, number])[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [item, by] of heard) sums.set(item, (sums.get(item) ?? 0) + by)
  return sums
}

function summaryOf(heard: readonly (readonly [string, number])[]): Summary {
  const items = new SpaceSaving(size)
  for (const [item, by] of heard) items.add(item, by)
  return items.summary()
}

/** What a summary says that is not so. */
function lies(
  { floor, items }: Summary,
  sums: ReadonlyMap<string, number>,
  entries: number,
): readonly string[] {
  const total = [...sums.values()].reduce((sum, one) => sum + one, 0)
  const listed = new Set(items.map(([item]) => item))
  const wrong = items.filter(([item, count, error]) => {
    const real = sums.get(item) ?? 0
    return count < real || count - error > real || error > total / entries
  })
  const missed = [...sums].filter(([item, real]) => !listed.has(item) && real > floor)
  const tooHigh = floor > total / entries ? ['floor'] : []
  return [...wrong.map(([item]) => item), ...missed.map(([item]) => item), ...tooHigh]
}

describe('Space-Saving', () => {
  test('errs by at most N / size, and lists whatever is heavier', () => {
    fc.assert(
      fc.property(stream, (heard) => {
        expect(lies(summaryOf(heard), truth(heard), size)).toEqual([])
      }),
    )
  })

  test('merged, does so for the streams together', () => {
    fc.assert(
      fc.property(fc.array(stream, { minLength: 2, maxLength: 5 }), (streams) => {
        const merged = mergeSummaries(streams.map(summaryOf), size)

        expect(lies(merged, truth(streams.flat()), size)).toEqual([])
      }),
    )
  })

  test('merged one after the other, does so too', () => {
    fc.assert(
      fc.property(fc.array(stream, { minLength: 2, maxLength: 5 }), (streams) => {
        const empty: Summary = { floor: 0, items: [] }
        const merged = streams.reduce(
          (sum, one) => mergeSummaries([sum, summaryOf(one)], size),
          empty,
        )

        expect(lies(merged, truth(streams.flat()), size)).toEqual([])
      }),
    )
  })

  test('with 256 entries finds every key above N / 256 of a Zipf stream', () => {
    const items = new SpaceSaving(256)
    const counts = new Map<string, number>()
    for (let n = 0; n < 50_000; n += 1) {
      const key = String(Math.floor(5_000 ** (((n * 2_654_435_761) % 2 ** 32) / 2 ** 32)))
      items.add(key)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    const listed = new Set(items.summary().items.map(([item]) => item))
    const heavy = [...counts].filter(([, count]) => count > 50_000 / 256)

    expect(heavy.length).toBeGreaterThan(10)
    expect(heavy.every(([key]) => listed.has(key))).toBe(true)
  })

  test.each([0, -1, 1.5])('refuses %d entries', (bad) => {
    expect(() => new SpaceSaving(bad)).toThrow(RangeError)
  })
})
