import { createIds, manualClock, parseId, secureRandom, slotOfId, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { handleOf, rowKeyOf } from '../src/index.ts'
import { idOfRow, idOfWords, leastHi } from '../src/subject.ts'

const digits = Array.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ')
const id = fc
  .tuple(
    fc.constantFrom(...digits.slice(0, 16)),
    fc.array(fc.constantFrom(...digits), { minLength: 19, maxLength: 19 }),
  )
  .map(([first, rest]) => parseId(first + rest.join('')))

describe('the shapes of an id', () => {
  test('a row key is the id again, whatever its time', () => {
    fc.assert(
      fc.property(id, (one) => {
        const { slot, hi, lo } = rowKeyOf(one)

        expect(Number.isSafeInteger(hi) && Number.isSafeInteger(lo)).toBe(true)
        expect(idOfRow(slot, hi, lo)).toBe(one)
      }),
    )
  })

  test.each([0, 1, 2 ** 45 - 2, 2 ** 45 - 1])(
    'a row key is that of an id made at %i ms',
    (time) => {
      for (const bits of [0, 2 ** 30 - 1]) {
        const random = { ...secureRandom, uint32: () => bits }
        const one = createIds({ clock: manualClock(time), random }).rootAt('FZZZZ')
        const { slot, hi, lo } = rowKeyOf(one)

        expect(idOfRow(slot, hi, lo)).toBe(one)
        // As wide as rows are on their way into a database.
        expect(String(hi).length).toBeLessThanOrEqual(16)
        expect(String(lo).length).toBeLessThanOrEqual(11)
      }
    },
  )

  test('rows of a slot lie in the order of time, to 4 ms, whoever owns them', () => {
    const owner = fc.constantFrom('00', '7Z', 'ZZ')
    const time = fc.integer({ min: 0, max: 2 ** 45 - 20_000 })
    const hiOf = (at: number, place: string) => {
      const ids = createIds({ clock: manualClock(at), random: secureRandom })
      return rowKeyOf(ids.rootAt(`C7A${place}`)).hi
    }
    fc.assert(
      fc.property(
        time,
        fc.integer({ min: 4, max: 10_000 }),
        owner,
        owner,
        (at, later, one, other) => {
          const [early, late] = [hiOf(at, one), hiOf(at + later, other)]

          expect(early).toBeLessThan(leastHi(at + later))
          expect(late).toBeGreaterThanOrEqual(leastHi(at + later))
        },
      ),
    )
  })

  test('takes 6 and 4 bytes in a row from 2020 to 2054', () => {
    for (const year of [2020, 2026, 2053]) {
      const clock = manualClock(Date.UTC(year, 5))
      const { hi, lo } = rowKeyOf(createIds({ clock, random: secureRandom }).rootAt('C7ZZZ'))

      expect(Math.abs(hi)).toBeLessThan(2 ** 47)
      expect(Math.abs(lo)).toBeLessThanOrEqual(2 ** 31)
    }
  })

  test('words are the id again, when its time is in their range', () => {
    const times = fc.integer({ min: Date.UTC(2020), max: Date.UTC(2053) })
    fc.assert(
      fc.property(times, fc.nat(16_383), (time, slot) => {
        const ids = createIds({ clock: manualClock(time), random: secureRandom })
        const one = ids.rootAt(`${slotText(slot)}7Z`)
        const handle = handleOf(one)

        expect(handle.words).toBe(true)
        expect(handle.slot).toBe(slotOfId(one))
        expect(idOfWords(handle.a, handle.b, handle.c)).toBe(one)
      }),
    )
  })

  test.each([
    '',
    'c7arg1m81642s9e3cq5t',
    'G7ARG1M81642S9E3CQ5T',
    'C7ARG1M81642S9E3CQ5',
    'C7ARG1M81642S9E3CQ5U',
    'C7ARG1M81642S9E3CQ5é',
  ])('refuses %j', (text) => {
    expect(() => handleOf(text)).toThrow(expect.objectContaining({ code: 'invalid_id' }))
  })
})
