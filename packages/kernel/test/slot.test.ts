import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  createIds,
  manualClock,
  parseSlot,
  placeOfText,
  prefixOfText,
  seededRandom,
  slotCount,
  slotOfId,
  slotOfText,
  slotRange,
  slotText,
} from '../src/index.ts'

const slots = fc.integer({ min: 0, max: slotCount - 1 })
const ids = createIds({ clock: manualClock(1_700_000_000_000), random: seededRandom(7) })

test('a slot survives its text form, in three characters, in order', () => {
  expect([slotText(0), slotText(31), slotText(32), slotText(16_383)]).toEqual([
    '000',
    '00Z',
    '010',
    'FZZ',
  ])
  fc.assert(
    fc.property(slots, slots, (a, b) => {
      expect(parseSlot(slotText(a))).toBe(a)
      expect(slotText(a) < slotText(b)).toBe(a < b)
    }),
  )
})

test.for(['', '00', '0000', 'G00', 'ZZZ', '00i', '00l', '00O', '00U', '0 0', '00z', '００0'])(
  'a slot is not spelled %j',
  (text) => {
    expect(() => parseSlot(text)).toThrow(expect.objectContaining({ code: 'invalid_id' }))
  },
)

test.for([-1, 16_384, 1.5, Number.NaN])('there is no slot %d', (slot) => {
  expect(() => slotText(slot)).toThrow(RangeError)
})

test('a text is placed by its hash: the low 14 bits, then 10 for the owner', () => {
  // xxh32('abc') = 0x32d153ff
  expect(placeOfText('abc')).toEqual({
    slot: 0x32d153ff & 16_383,
    owner: (0x32d153ff >>> 14) & 1023,
  })
  expect(slotOfText('abc')).toBe(placeOfText('abc').slot)
})

test('an id is placed by what it says, which is where its key was placed', () => {
  fc.assert(
    fc.property(fc.string(), (key) => {
      const id = ids.root(key)
      expect(slotOfId(id)).toBe(slotOfText(key))
      expect(id.startsWith(prefixOfText(key))).toBe(true)
      expect(slotOfId(ids.child(id))).toBe(slotOfId(id))
    }),
  )
})

test('an id and the text of an id are placed by different rules', () => {
  const sample = Array.from({ length: 50 }, (_, i) => ids.root(`key ${i}`))

  expect(sample.filter((id) => slotOfId(id) === slotOfText(id)).length).toBeLessThan(3)
})

test('what is no id has no place', () => {
  for (const text of ['', 'abc', 'G0000000000000000000', `${slotText(5)}0000`]) {
    expect(() => slotOfId(text)).toThrow(expect.objectContaining({ code: 'invalid_id' }))
  }
})

test('the range of a slot holds its ids and no others', () => {
  fc.assert(
    fc.property(slots, fc.string(), (slot, key) => {
      const { from, to } = slotRange(slot)
      const own = ids.rootAt(`${slotText(slot)}ZZ`)
      const other = ids.root(key)
      expect(from <= own && own < to && slotText(slot) >= from && slotText(slot) < to).toBe(true)
      expect(from <= other && other < to).toBe(slotOfId(other) === slot)
    }),
  )
})

test('texts spread over the slots as evenly as chance would', () => {
  const keys = 160_000
  const buckets = Array.from({ length: 256 }, () => 0)

  for (let i = 0; i < keys; i += 1) {
    const bucket = slotOfText(`member-${i}@example.org`) >>> 6
    buckets[bucket] = (buckets[bucket] ?? 0) + 1
  }

  const mean = keys / buckets.length
  const chiSquare = buckets.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
  // 255 degrees of freedom: beyond 360 once in 100,000 runs of a fair hash; the keys are fixed.
  expect(chiSquare).toBeLessThan(360)
})
