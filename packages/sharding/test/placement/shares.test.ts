import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type Claimant, sharesOf } from '../../src/placement/shares.ts'
import { impossible } from './refusals.ts'

const claimant = (name: string, wishes: Partial<Claimant> = {}): Claimant => ({
  name,
  weight: 1,
  least: 0,
  most: 16_384,
  holds: 0,
  ...wishes,
})

describe('sharesOf', () => {
  test('always deals all slots within the bounds, each share the fair part rounded down or up', () => {
    const claimants = fc.uniqueArray(
      fc
        .record({
          name: fc.string(),
          weight: fc.double({ min: 1e-9, max: 1e15, noNaN: true }),
          least: fc.nat(300),
          room: fc.nat(3_000),
          holds: fc.nat(3_000),
        })
        .map(({ room, ...rest }) => ({ ...rest, most: rest.least + room })),
      { selector: ({ name }) => name, minLength: 1, maxLength: 20 },
    )
    fc.assert(
      fc.property(claimants, fc.double({ min: 0, max: 1, noNaN: true }), (list, fill) => {
        const least = list.reduce((sum, each) => sum + each.least, 0)
        const most = list.reduce((sum, each) => sum + each.most, 0)
        const total = least + Math.floor((most - least) * fill)

        const shares = sharesOf(total, list)

        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total)
        const parts = fairParts(total, list)
        for (const [index, { least: low, most: high }] of list.entries()) {
          const [share = -1, part = 0] = [shares[index], parts[index]]
          expect(share >= low && share <= high).toBe(true)
          expect(Math.abs(share - part)).toBeLessThan(1.001)
        }
      }),
      { numRuns: 300 },
    )
  })

  /** The parts found another way: the common factor by halving the interval that holds it. */
  function fairParts(total: number, list: readonly Claimant[]): readonly number[] {
    const at = (exponent: number) =>
      list.map(({ weight, least, most }) => Math.min(Math.max(weight * 2 ** exponent, least), most))
    let [low, high] = [-100, 100]
    for (let step = 0; step < 100; step += 1) {
      const middle = (low + high) / 2
      if (at(middle).reduce((sum, part) => sum + part, 0) < total) low = middle
      else high = middle
    }
    return at(high)
  }

  test('favours those who would have to give, then the largest remainder, then the first name', () => {
    const four = ['d', 'c', 'b', 'a'].map((name) => claimant(name))

    expect(sharesOf(10, four)).toEqual([2, 2, 3, 3])
    expect(
      sharesOf(
        10,
        four.map((each) => ({ ...each, holds: each.name === 'd' ? 3 : 0 })),
      ),
    ).toEqual([3, 2, 2, 3])
    expect(sharesOf(10, [claimant('a', { weight: 4 }), claimant('b', { weight: 3 })])).toEqual([
      6, 4,
    ])
  })

  test('deals what one cannot take to the others by their weights', () => {
    expect(
      sharesOf(100, [
        claimant('a', { weight: 8, most: 10 }),
        claimant('b', { weight: 2 }),
        claimant('c', { weight: 1 }),
      ]),
    ).toEqual([10, 60, 30])
  })

  test.each<[string, readonly Claimant[]]>([
    ['more is bound than there is', [claimant('a', { least: 60 }), claimant('b', { least: 60 })]],
    ['the nodes take too little', [claimant('a', { most: 60 }), claimant('b', { most: 39 })]],
    ['more is bound to one than it takes', [claimant('a', { least: 9, most: 8 }), claimant('b')]],
  ])('refuses it when %s', (_what, claimants) => {
    expect(() => sharesOf(100, claimants)).toThrow(impossible)
  })
})
