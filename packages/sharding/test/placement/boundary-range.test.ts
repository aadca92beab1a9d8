import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { boundaryRange } from '../../src/placement/boundary-range.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid, unplaceable } from './refusals.ts'

describe('boundaryRange', () => {
  test.each<[number, number]>([
    [-Infinity, 0],
    [0.9, 0],
    [1, 1],
    [4.99, 1],
    [5, 2],
    [10, 3],
    [Infinity, 3],
  ])('has a boundary belong to the range above it: %s is in range %i', (key, range) => {
    expect(boundaryRange([1, 5, 10])(namedNodes(4))(key).name).toBe(`node-${range}`)
  })

  test('always finds the range that a search from the left finds', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer(), { minLength: 1 }), fc.integer(), (list, key) => {
        const boundaries = list.toSorted((one, other) => one - other)
        const expected = boundaries.filter((boundary) => boundary <= key).length

        const node = boundaryRange(boundaries)(namedNodes(boundaries.length + 1))(key)
        expect(node.name).toBe(`node-${expected}`)
      }),
    )
  })

  test('takes text, in the order of SQLite', () => {
    const locate = boundaryRange(['g', 'n', '\uffff'])(namedNodes(4))

    expect(['', 'f~', 'g', 'mm', 'n', '😀'].map((key) => locate(key).name)).toEqual(
      [0, 0, 1, 1, 2, 3].map((range) => `node-${range}`),
    )
  })

  test.each<[string, readonly (number | string)[]]>([
    ['no boundaries', []],
    ['boundaries that do not ascend', [1, 3, 2]],
    ['a boundary twice', [1, 1]],
    ['numbers and text', [1, '2']],
    ['a boundary that is no number', [Number.NaN]],
    ['a boundary without end', [1, Infinity]],
  ])('refuses %s', (_what, boundaries) => {
    expect(() => boundaryRange(boundaries as number[])).toThrow(invalid)
  })

  test.each([1, 2, 4])('refuses %i nodes for three ranges', (count) => {
    expect(() => boundaryRange([1, 2])(namedNodes(count))).toThrow(invalid)
  })

  test.each<[string | number]>([['1'], [Number.NaN]])('refuses the key %j among numbers', (key) => {
    const locate = boundaryRange([1, 2])(namedNodes(3))
    expect(() => locate(key as number)).toThrow(unplaceable)
  })
})
