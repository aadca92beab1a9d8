import { createIds, manualClock, parseId, secureRandom, slotOfId, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { handleOf, rowKeyOf } from '../src/index.ts'
import { idOfRow, idOfWords, leastRest, restDigitsMax } from '../src/subject.ts'

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
        const key = rowKeyOf(one)

        expect(idOfRow(key)).toBe(one)
        expect(idOfRow({ ...key, rest: key.rest.toUpperCase() })).toBe(one)
      }),
    )
  })

  test('no two ids have one row key', () => {
    fc.assert(
      fc.property(id, id, (one, other) => {
        const isSame = JSON.stringify(rowKeyOf(one)) === JSON.stringify(rowKeyOf(other))

        expect(isSame).toBe(one === other)
      }),
    )
  })

  const made = (time: number, place: string, bits?: number) => {
    const random = bits === undefined ? secureRandom : { ...secureRandom, uint32: () => bits }
    return createIds({ clock: manualClock(time), random }).rootAt(place)
  }
  const era = 2 ** 40
  const edges = [0, 1, Date.UTC(2020) - 1, Date.UTC(2020) + era, 2 ** 45 - 2, 2 ** 45 - 1]

  test.each(edges)('a row key is that of an id made at %i ms, in 11 bytes', (time) => {
    for (const bits of [0, 2 ** 30 - 1]) {
      const one = made(time, 'FZZZZ', bits)
      const key = rowKeyOf(one)

      expect(idOfRow(key)).toBe(one)
      // As wide as rows are on their way into a database.
      expect(key.rest).toHaveLength(restDigitsMax)
    }
  })

  test.each([Date.UTC(2020), Date.UTC(2026, 5), Date.UTC(2053, 5), Date.UTC(2020) + era - 1])(
    'a row key is that of an id made at %i ms, in 10 bytes',
    (time) => {
      for (const bits of [0, 2 ** 30 - 1]) {
        const one = made(time, 'C7ZZZ', bits)
        const key = rowKeyOf(one)

        expect(idOfRow(key)).toBe(one)
        expect(key.rest).toMatch(/^[0-9a-f]{20}$/)
      }
    },
  )

  test('rows of a slot lie in the order of time, whoever owns them', () => {
    const owner = fc.constantFrom('00', '7Z', 'ZZ')
    const time = fc.integer({ min: Date.UTC(2020), max: Date.UTC(2054) })
    fc.assert(
      fc.property(
        time,
        fc.integer({ min: 1, max: 10_000 }),
        owner,
        owner,
        (at, later, one, other) => {
          const rest = (moment: number, place: string) => rowKeyOf(made(moment, place)).rest
          const [early, late] = [rest(at, `C7A${one}`), rest(at + later, `C7A${other}`)]

          expect(early < leastRest(at + later)).toBe(true)
          expect(late >= leastRest(at + later)).toBe(true)
          expect(early < late).toBe(true)
        },
      ),
    )
  })

  test.each([
    [-1, '0000000000'],
    [Date.UTC(2020), '0000000000'],
    [Date.UTC(2020) + 1, '0000000001'],
    [Infinity, 'ffffffffff'],
  ])('the least bytes of a row made at %d are in the range of rows', (time, expected) => {
    expect(leastRest(time)).toBe(expected)
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
