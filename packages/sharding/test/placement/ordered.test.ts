import fc from 'fast-check'
import { expect, test } from 'vitest'

import { compareKeys } from '../../src/placement/ordered.ts'

const text = fc.string({ unit: fc.constantFrom('a', 'b', '\u00e9', '\uffff', '\ue000', '😀', '𐀀') })

test('compareKeys orders text as its UTF-8 bytes are ordered, also beyond the 65,536 first characters', () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      const bytes = Buffer.compare(Buffer.from(one), Buffer.from(other))
      expect(Math.sign(compareKeys(one, other))).toBe(bytes)
    }),
    { numRuns: 1_000 },
  )
  expect(compareKeys('😀', '\uffff')).toBeGreaterThan(0)
  expect(['\uffff', '😀'].toSorted()[0]).toBe('😀')
})
