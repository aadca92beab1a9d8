import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { PlacementAlgorithm } from '../../src/placement/algorithm.ts'
import { directory } from '../../src/placement/directory.ts'
import { inline } from '../../src/placement/inline.ts'
import { jump } from '../../src/placement/jump.ts'
import { ketama } from '../../src/placement/ketama.ts'
import { maglev } from '../../src/placement/maglev.ts'
import { hashModulo, modulo } from '../../src/placement/modulo.ts'
import { rendezvous } from '../../src/placement/rendezvous.ts'
import { loads, namedNodes, users, weightedNodes } from './arbitraries.ts'
import { invalid, unplaceable } from './refusals.ts'

const hashed: readonly [string, PlacementAlgorithm][] = [
  ['hash-modulo', hashModulo()],
  ['jump', jump],
  ['ketama', ketama()],
  ['rendezvous', rendezvous],
  ['maglev', maglev({ entries: 4_099 })],
]
const all: readonly [string, PlacementAlgorithm][] = [
  ...hashed,
  ['modulo', modulo],
  ['directory', directory({}, { otherwise: jump })],
  ['inline', inline((_key, [first = '']) => first)],
]

describe.each(all)('%s', (_name, algorithm) => {
  test('always gives one of its nodes, and the same for the same key', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer(), (count, key) => {
        const nodes = namedNodes(count)
        const node = algorithm(nodes)(key)

        expect(nodes).toContain(node)
        expect(algorithm(nodes)(key)).toBe(node)
        expect(algorithm(nodes)(String(key))).toBe(node)
      }),
      { numRuns: 20 },
    )
  })

  test.each([
    ['no nodes', []],
    ['two nodes of one name', [{ name: 'a' }, { name: 'a' }]],
    ['a weight of nothing', [{ name: 'a', weight: 0 }]],
    ['a weight below nothing', [{ name: 'a' }, { name: 'b', weight: -1 }]],
    ['a weight that is no number', [{ name: 'a', weight: Number.NaN }]],
    ['a weight without end', [{ name: 'a', weight: Number.POSITIVE_INFINITY }]],
  ])('refuses %s', (_what, nodes) => {
    expect(() => algorithm(nodes)).toThrow(invalid)
  })
})

describe.each(hashed)('%s', (_name, algorithm) => {
  test.each([0.5, Number.NaN, 2 ** 53])('refuses to hash %s', (key) => {
    expect(() => algorithm(namedNodes(2))(key)).toThrow(unplaceable)
  })
})

describe.each(hashed.slice(0, 2))('%s', (_name, algorithm) => {
  test('refuses nodes of different weights, which it could not respect', () => {
    expect(() => algorithm([{ name: 'a' }, { name: 'b', weight: 2 }])).toThrow(invalid)
    expect(
      algorithm([
        { name: 'a', weight: 2 },
        { name: 'b', weight: 2 },
      ])(1),
    ).toBeDefined()
  })
})

/** How far from the average the fullest of ten may be, with 2,000 keys each: three deviations, or its own unevenness. */
const peaks: Readonly<Record<string, number>> = { ketama: 1.35 }

test.each(hashed)('%s spreads keys over ten nodes', (name, algorithm) => {
  const counts = [...loads(users, algorithm(namedNodes(10))).values()]

  expect(counts).toHaveLength(10)
  expect(Math.max(...counts)).toBeLessThan(2_000 * (peaks[name] ?? 1.08))
  expect(Math.min(...counts)).toBeGreaterThan(2_000 * (2 - (peaks[name] ?? 1.08)))
})

test.each(hashed.filter(([name]) => name === 'rendezvous' || name === 'maglev'))(
  '%s gives each node its part by weight',
  (_name, algorithm) => {
    const weights = [1, 2, 3, 4]
    const nodes = weights.map((weight) => ({ name: `node-${weight}`, weight }))

    const counts = loads(users, algorithm(nodes))

    for (const weight of weights)
      expect(Math.abs((counts.get(`node-${weight}`) ?? 0) / 2_000 - weight)).toBeLessThan(
        weight * 0.08,
      )
  },
)

/** The order of a list decides where modulo and jump place a key, and nothing in the others. */
test.each(hashed.slice(2))(
  '%s places by name, not by the order of the list',
  (_name, algorithm) => {
    fc.assert(
      fc.property(weightedNodes, fc.array(fc.string(), { maxLength: 20 }), (nodes, keys) => {
        const there = algorithm(nodes)
        const back = algorithm(nodes.toReversed())

        for (const key of keys) expect(back(key).name).toBe(there(key).name)
      }),
      { numRuns: 30 },
    )
  },
)

test('only modulo and hash-modulo move keys of nodes that stay, but for the few of maglev', () => {
  const strays = (algorithm: PlacementAlgorithm) => {
    const [nine, ten] = [algorithm(namedNodes(9)), algorithm(namedNodes(10))]
    return users.filter((key) => ten(key).name !== 'node-9' && ten(key).name !== nine(key).name)
      .length
  }

  expect(
    Object.fromEntries(hashed.map(([name, algorithm]) => [name, strays(algorithm) > 0])),
  ).toEqual({
    'hash-modulo': true,
    jump: false,
    ketama: false,
    rendezvous: false,
    maglev: true,
  })
  expect(strays(maglev())).toBeLessThan(users.length * 0.05)
  expect(strays(hashModulo())).toBeGreaterThan(users.length * 0.7)
})
