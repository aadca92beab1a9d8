import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { complex } from '../../src/placement/complex.ts'
import { inline } from '../../src/placement/inline.ts'
import { jump } from '../../src/placement/jump.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid, unplaceable } from './refusals.ts'

describe('complex', () => {
  test('places by all its columns and by no other', () => {
    const locate = complex(['seller', 'day'], jump)(namedNodes(50))
    const row = { seller: 'acme', day: 7 }

    expect(locate({ ...row, price: 1 } as typeof row)).toBe(locate(row))
    expect(locate({ seller: 'acme', day: '7' })).toBe(locate(row))
    const days = Array.from({ length: 50 }, (_, day) => locate({ seller: 'acme', day }).name)
    expect(new Set(days).size).toBeGreaterThan(10)
  })

  test('never takes the values of two rows for the same when they differ', () => {
    const spell = (row: { readonly one: string; readonly other: string }) => {
      let spelled = ''
      const noting = inline((key, [name = '']) => {
        spelled = String(key)
        return name
      })
      complex(['one', 'other'], noting)(namedNodes(1))(row)
      return spelled
    }

    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(), (one, other, at) => {
        const joined = one + other
        const cut = at % (joined.length + 1)
        const again = { one: joined.slice(0, cut), other: joined.slice(cut) }

        expect(spell(again) === spell({ one, other })).toBe(again.one === one)
      }),
    )
  })

  test('refuses no columns, a column twice, and a row without one of them', () => {
    expect(() => complex([], jump)).toThrow(invalid)
    expect(() => complex(['a', 'a'], jump)).toThrow(invalid)
    const incomplete = { a: 1 } as { a: number; b: number }
    expect(() => complex(['a', 'b'], jump)(namedNodes(2))(incomplete)).toThrow(unplaceable)
  })
})
