import { xxh32 } from '@stoa/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { crc16 } from '../../src/hash/crc16.ts'
import { murmur3 } from '../../src/hash/murmur3.ts'
import { hashModulo, modulo } from '../../src/placement/modulo.ts'
import { namedNodes } from './arbitraries.ts'
import { unplaceable } from './refusals.ts'

test('modulo takes whole numbers of any size, as numbers or as text, and never a negative remainder', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
      fc.integer({ min: 1, max: 99 }),
      (key, count) => {
        const expected = ((key % BigInt(count)) + BigInt(count)) % BigInt(count)

        const spellings = Number.isSafeInteger(Number(key))
          ? [String(key), Number(key)]
          : [String(key)]
        for (const spelling of spellings)
          expect(modulo(namedNodes(count))(spelling).name).toBe(`node-${expected}`)
      },
    ),
  )
})

test.each(['', '1.5', 'abc', '1e3', ' 1', '--1'])('modulo refuses %j', (key) => {
  expect(() => modulo(namedNodes(3))(key)).toThrow(unplaceable)
})

test.each([
  ['xxh32', xxh32],
  ['murmur3', murmur3],
  ['crc16', crc16],
])('hashModulo by %s takes the remainder of that hash', (_name, hash) => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 99 }), (key, count) => {
      expect(hashModulo(hash)(namedNodes(count))(key).name).toBe(`node-${hash(key) % count}`)
    }),
  )
})
