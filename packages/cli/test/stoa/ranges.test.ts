import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cutAt, parseOwner, parseSlots, slotsText } from '../../src/stoa/ranges.ts'

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const digit = fc.constantFrom(...digits.split(''))
const prefix = fc
  .tuple(fc.constantFrom(...digits.slice(0, 16).split('')), digit, digit, digit, digit)
  .map((parts) => parts.join(''))
const tail = fc.array(digit, { minLength: 15, maxLength: 15 }).map((parts) => parts.join(''))

describe('ranges', () => {
  test('of slots are read as they are written', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(16_383), { minLength: 1, maxLength: 50 }), (slots) => {
        expect(parseSlots(slotsText(slots))).toEqual(slots.toSorted((a, b) => a - b))
      }),
    )
  })

  test('of an owner hold every id of that owner, and none of another', () => {
    fc.assert(
      fc.property(prefix, prefix, tail, (owner, other, rest) => {
        const { lo, hi } = parseOwner(owner)
        const isInside = (id: string) => lo <= id && id < hi
        expect(isInside(owner + rest)).toBe(true)
        expect(isInside(other + rest)).toBe(other === owner)
      }),
    )
  })

  test('that are cut leave no gap', () => {
    const parts = cutAt({ lo: '0A0AB', hi: '0A0AC' }, ['0A0ABG', '0A0ABR'])

    expect(parts).toEqual([
      { lo: '0A0AB', hi: '0A0ABG' },
      { lo: '0A0ABG', hi: '0A0ABR' },
      { lo: '0A0ABR', hi: '0A0AC' },
    ])
  })
})
