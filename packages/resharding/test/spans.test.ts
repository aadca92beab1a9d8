import { slotRange, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { intervalsOf, partsOf } from '../src/spans.ts'

const slot = (number: number) => {
  const { from, to } = slotRange(number)
  return { lo: from, hi: to }
}
const owner = (number: number, lo: string, hi: string) => ({
  lo: slotText(number) + lo,
  hi: slotText(number) + hi,
})

const slots = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1 })

describe('the intervals of pieces', () => {
  test('are joined where the pieces touch', () => {
    expect(intervalsOf([slot(2), slot(0), slot(1), slot(9)], [])).toEqual([
      { lo: '000', hi: '003' },
      { lo: '009', hi: '00A' },
    ])
  })

  test('leave out what is elsewhere, but for what lies in it again', () => {
    const hole = owner(1, '0A', '0F')
    const inside = owner(1, '0C', '0D')

    expect(intervalsOf([slot(1), inside], [hole])).toEqual([
      { lo: '001', hi: '0010A' },
      { lo: '0010C', hi: '0010D' },
      { lo: '0010F', hi: '002' },
    ])
  })

  test('reach the end of the last slot', () => {
    expect(partsOf(intervalsOf([slot(16_382), slot(16_383)], []), 2)).toEqual([
      [{ lo: 'FZY', hi: 'FZZ' }],
      [{ lo: 'FZZ', hi: 'G00' }],
    ])
  })
})

describe('the parts of intervals', () => {
  test('hold every key once, whatever their number', () => {
    fc.assert(
      fc.property(slots, fc.integer({ min: 1, max: 50 }), (numbers, count) => {
        const spans = intervalsOf(numbers.map(slot), [])
        const parts = partsOf(spans, count)

        expect(parts.length).toBeLessThanOrEqual(count)
        expect(intervalsOf(parts.flat(), [])).toEqual(spans)
        const sum = parts.flat().length
        expect(new Set(parts.flat().map(({ lo }) => lo)).size).toBe(sum)
      }),
    )
  })

  test('cut a slot that is alone by its owners', () => {
    const parts = partsOf([slot(5)], 4)

    expect(parts).toHaveLength(4)
    expect(intervalsOf(parts.flat(), [])).toEqual([slot(5)])
  })
})
