import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { boundaryRange } from '../../src/placement/boundary-range.ts'
import { type NamedRange, namedRange } from '../../src/placement/named-range.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid } from './refusals.ts'

describe('namedRange', () => {
  const nodes = [{ name: 'east' }, { name: 'west' }]

  test('takes ranges in any order, and several of one node', () => {
    const locate = namedRange([
      { from: 20, node: 'east' },
      { below: 10, node: 'east' },
      { from: 10, below: 20, node: 'west' },
    ])(nodes)

    expect([-1, 9, 10, 19, 20, 99].map((key) => locate(key).name)).toEqual([
      'east',
      'east',
      'west',
      'west',
      'east',
      'east',
    ])
  })

  test('agrees with boundaryRange on every partition', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.string(), (list, key) => {
        const boundaries = list.toSorted((one, other) =>
          Buffer.compare(Buffer.from(one), Buffer.from(other)),
        )
        const named = [undefined, ...boundaries].map((from, index) => ({
          ...(from === undefined ? {} : { from }),
          ...(boundaries[index] === undefined ? {} : { below: boundaries[index] }),
          node: `node-${index}`,
        }))
        const all = namedNodes(named.length)

        expect(namedRange(named.toReversed())(all)(key)).toBe(boundaryRange(boundaries)(all)(key))
      }),
    )
  })

  test.each([
    ['no ranges', []],
    ['a range of everything, which has nothing to compare', [{ node: 'east' }]],
    ['nothing below a key', [{ from: 1, node: 'east' }]],
    [
      'nothing above a key',
      [
        { below: 1, node: 'east' },
        { from: 1, below: 2, node: 'west' },
      ],
    ],
    [
      'a gap',
      [
        { below: 1, node: 'east' },
        { from: 2, node: 'west' },
      ],
    ],
    [
      'an overlap',
      [
        { below: 2, node: 'east' },
        { from: 1, node: 'west' },
      ],
    ],
    [
      'two without an end',
      [
        { below: 2, node: 'east' },
        { from: 2, node: 'west' },
        { from: 3, node: 'west' },
      ],
    ],
    [
      'an empty one',
      [
        { below: 2, node: 'east' },
        { from: 2, below: 2, node: 'west' },
        { from: 2, node: 'west' },
      ],
    ],
    [
      'one that runs backwards',
      [
        { below: 5, node: 'east' },
        { from: 5, below: 3, node: 'west' },
        { from: 3, node: 'east' },
      ],
    ],
    [
      'numbers and text',
      [
        { below: 1, node: 'east' },
        { from: '1', node: 'west' },
      ],
    ],
    [
      'an unknown node',
      [
        { below: 1, node: 'east' },
        { from: 1, node: 'north' },
      ],
    ],
  ])('refuses %s', (_what, ranges) => {
    expect(() => namedRange(ranges as NamedRange<number>[])(nodes)).toThrow(invalid)
  })
})
