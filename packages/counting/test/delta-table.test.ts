import { createIds, manualClock, seededRandom } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { DeltaTable, handleOf } from '../src/index.ts'
import { start } from './harness.ts'

const ids = createIds({ clock: manualClock(start), random: seededRandom(3) })
const some = Array.from({ length: 200 }, (_, index) => ids.root(`owner ${index % 20}`))
const early = createIds({ clock: manualClock(1_000), random: seededRandom(3) }).root('long ago')
const max = Number.MAX_SAFE_INTEGER

describe('the delta table', () => {
  test('gives what a map would give, for any increments', () => {
    const increment = fc.tuple(
      fc.constantFrom(...some, early),
      fc.nat(2),
      fc.integer(),
      fc.boolean(),
    )
    fc.assert(
      fc.property(fc.array(increment, { maxLength: 500 }), (increments) => {
        const table = new DeltaTable(['a', 'b', 'c'])
        const map = new Map<string, number[]>()
        for (const [id, metric, by, isParsed] of increments) {
          if (isParsed) table.add(handleOf(id), metric, by)
          else table.addTo(id, metric, by)
          const sums = map.get(id) ?? [0, 0, 0]
          sums[metric] = (sums[metric] ?? 0) + by
          map.set(id, sums)
        }
        const expected = [...map].filter(([, sums]) => sums.some((sum) => sum !== 0))

        expect(new Map(table.entries())).toEqual(new Map(expected))
      }),
    )
  })

  test('takes ten thousand objects in some ten bytes a counter', () => {
    const table = new DeltaTable(['a', 'b', 'c', 'd'])
    for (let index = 0; index < 14_000; index += 1) table.addTo(ids.root(`${index}`), index % 4, 1)

    expect(table.size).toBe(14_000)
    expect(table.bytes / 14_000 / 4).toBeLessThan(10)
  })

  test.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, max])('is exact at %i', (large) => {
    const [id = ''] = some
    const table = new DeltaTable(['a', 'b'])
    table.addTo(id, 0, large - 1)
    table.addTo(id, 1, 5)
    table.addTo(id, 0, 1)

    expect([...table.entries()]).toEqual([[id, [large, 5]]])
  })

  test('refuses what would pass 2^53 - 1, and keeps what it had', () => {
    const [id = ''] = some
    const table = new DeltaTable(['a'])
    table.addTo(id, 0, max - 2)
    table.addTo(id, 0, 1)

    expect(() => table.addTo(id, 0, 2)).toThrow(
      expect.objectContaining({ code: 'counter_overflow' }),
    )
    expect([...table.entries()]).toEqual([[id, [max - 1]]])
  })
})
