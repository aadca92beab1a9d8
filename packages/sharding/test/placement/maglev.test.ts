import { expect, test } from 'vitest'

import { maglev } from '../../src/placement/maglev.ts'
import { loads, namedNodes } from './arbitraries.ts'
import { invalid } from './refusals.ts'

const keys = Array.from({ length: 200_000 }, (_, key) => key)

test('maglev is the evenest: the fullest of 64 nodes has 5 % more than the average of 3,125', () => {
  const counts = [...loads(keys, maglev()(namedNodes(64))).values()]

  expect(Math.max(...counts) / 3_125).toBeLessThan(1.06)
})

test('maglev moves about the part of the node that comes, and few others', () => {
  const before = maglev()(namedNodes(63))
  const after = maglev()(namedNodes(64))

  const moved = keys.filter((key) => before(key).name !== after(key).name)
  const astray = moved.filter((key) => after(key).name !== 'node-63')

  expect(moved.length / keys.length).toBeLessThan(0.03)
  expect(astray.length / keys.length).toBeLessThan(0.015)
})

test.each([0, 1, 4, 65_536, 2.5, Number.NaN, 2 ** 31 + 11])(
  'maglev refuses a table of %s',
  (entries) => {
    expect(() => maglev({ entries })).toThrow(invalid)
  },
)

test('maglev refuses more nodes than its table has entries', () => {
  expect(() => maglev({ entries: 7 })(namedNodes(8))).toThrow(invalid)
  expect(loads(keys, maglev({ entries: 7 })(namedNodes(7))).size).toBe(7)
})
