import { createIds, manualClock, seededRandom, slotOfId, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  BitReader,
  BitWriter,
  readExpGolomb,
  readRice,
  writeExpGolomb,
  writeRice,
} from '../src/bits.ts'
import { decodePage, encodePage } from '../src/index.ts'
import { start } from './harness.ts'

const first = 128
const time = fc.oneof(fc.integer({ min: start - 10 ** 10, max: start }), fc.nat(2 ** 40))
const entry = fc.record({
  slot: fc.integer({ min: first, max: first + 63 }),
  owner: fc.constantFrom('00', '01', '7Z', 'ZZ'),
  time,
  values: fc.tuple(fc.nat(200), fc.oneof(fc.nat(5), fc.nat(2 ** 31), fc.constant(2 ** 51))),
  negative: fc.boolean(),
})

describe('a cold page', () => {
  test('gives back every object that has a count, and no other', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 120 }), fc.boolean(), (list, signed) => {
        const entries = new Map(
          list.map(({ slot, owner, time: made, values, negative }) => {
            const ids = createIds({ clock: manualClock(made), random: seededRandom(made + slot) })
            const signedValues = values.map((value) =>
              signed && negative && value > 0 ? -value : value,
            )
            return [ids.rootAt(slotText(slot) + owner), signedValues] as const
          }),
        )
        const body = encodePage(entries, first, { metrics: 2, signed })
        const kept = [...entries].filter(([, values]) => values.some((value) => value !== 0))

        expect(decodePage(body, first)).toEqual(new Map(kept))
      }),
    )
  })

  test('takes less than 3 bytes a counter for four metrics of objects of the same owners', () => {
    const random = seededRandom(5)
    const uniform = () => (random.uint32() + 1) / 2 ** 32
    const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
    const entries = new Map<string, readonly number[]>()
    for (let owner = 0; owner < 50; owner += 1) {
      const prefix = slotText(first + (random.uint32() % 64)) + ['0A', '5Z', 'XY'][owner % 3]
      for (let n = 0; n < 20; n += 1) {
        const made = start - Math.floor(uniform() * 8.64e9)
        const id = createIds({ clock: manualClock(made), random }).rootAt(prefix)
        entries.set(
          id,
          [0, 1, 2, 3].map(() => Math.round(Math.exp(3 + 2 * normal()))),
        )
      }
    }
    const body = encodePage(entries, first, { metrics: 4, signed: false })

    expect(body.length / entries.size / 4).toBeLessThan(3)
  })

  test('is of its own slots', () => {
    const [id = ''] = decodePage(
      encodePage(new Map([[`${slotText(first + 5)}7Z00000000000000A`, [1]]]), first, {
        metrics: 1,
        signed: false,
      }),
      first,
    ).keys()

    expect(slotOfId(id)).toBe(first + 5)
  })
})

describe('the codes', () => {
  const whole = fc.oneof(
    fc.nat(300),
    fc.maxSafeNat().map((value) => Math.floor(value / 4)),
  )

  test('give every number back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(whole, fc.integer({ min: 40, max: 50 }), fc.nat(8))),
        (list) => {
          const bits = new BitWriter()
          for (const [value, k, order] of list) {
            writeRice(bits, value, k)
            writeExpGolomb(bits, value, order)
          }
          const reader = new BitReader(bits.bytes())
          const read = list.flatMap(([, k, order]) => [
            readRice(reader, k),
            readExpGolomb(reader, order),
          ])

          expect(read).toEqual(list.flatMap(([value]) => [value, value]))
        },
      ),
    )
  })

  test.each([0, 1, 7, 8, 2 ** 31, 2 ** 32, 2 ** 48 - 8, 2 ** 48, 2 ** 52])(
    'are right at %i',
    (value) => {
      const bits = new BitWriter()
      writeExpGolomb(bits, value, 3)

      expect(readExpGolomb(new BitReader(bits.bytes()), 3)).toBe(value)
    },
  )
})
