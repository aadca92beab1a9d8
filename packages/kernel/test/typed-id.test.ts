import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  createIds,
  isFault,
  manualClock,
  parseId,
  parseTypedId,
  seededRandom,
  typedId,
} from '../src/index.ts'

const anId = fc
  .tuple(fc.string(), fc.integer(), fc.integer({ min: 0, max: 2 ** 45 - 2 }))
  .map(([key, seed, time]) =>
    createIds({ clock: manualClock(time), random: seededRandom(seed) }).root(key),
  )

/** The id in `text`, or the code of the fault. */
function parsed(text: string): string {
  try {
    return parseTypedId('ord', text)
  } catch (thrown) {
    return isFault(thrown) ? `${thrown.kind} ${thrown.code}` : 'bug'
  }
}

const refusal = 'invalid_argument invalid_id'

test('a typed id gives its id back', () => {
  fc.assert(
    fc.property(anId, (id) => {
      expect(parseTypedId('ord', typedId('ord', id))).toBe(id)
    }),
  )
})

test('an id has one spelling: changing any character gives another id or none', () => {
  fc.assert(
    fc.property(anId, fc.nat(23), fc.string({ unit: 'binary', maxLength: 2 }), (id, at, put) => {
      const text = typedId('ord', id)
      const changed = text.slice(0, at) + put + text.slice(at + 1)
      fc.pre(changed !== text)
      const other = parsed(changed)
      expect(other).not.toBe(id)
      expect(other === refusal || typedId('ord', other) === changed).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('aliases, cases, look-alikes, spaces, lengths and other types are refused', () => {
  const hostile: readonly ((text: string) => string)[] = [
    (text) => text.toLowerCase(),
    (text) => text.toUpperCase(),
    (text) => text.slice(0, 4) + text.slice(4).toLowerCase(),
    (text) => text.replace(/.$/, 'I'),
    (text) => text.replace(/.$/, 'l'),
    (text) => text.replace(/.$/, 'O'),
    (text) => text.replace(/.$/, 'U'),
    (text) => text.replace(/.$/, 'Ａ'),
    (text) => text.replace(/.$/, 'А'),
    (text) => text.replace(/.$/, '٠'),
    (text) => `${text}\n`,
    (text) => ` ${text}`,
    (text) => `${text} `,
    (text) => `${text}\u200B`,
    (text) => `${text}\0`,
    (text) => text.replace('_', '-'),
    (text) => text.slice(0, -1),
    (text) => `${text}0`,
    (text) => text.slice(4),
    (text) => text.replace('ord_', 'usr_'),
    (text) => text.replace('ord_', 'ord__'),
    (text) => text.replace(/^(ord_)./, '$1G'),
    (text) => text.replace(/^(ord_)./, '$1-'),
  ]
  fc.assert(
    fc.property(anId, fc.constantFrom(...hostile), (id, spell) => {
      const text = typedId('ord', id)
      const other = spell(text)
      // An id of digits only has no other case to be spelled in.
      fc.pre(other !== text)
      expect(parsed(other)).toBe(refusal)
    }),
    { numRuns: 500 },
  )
})

test('arbitrary text is refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect([parsed(text), parsed(`ord_${text}`)]).toEqual([refusal, refusal])
    }),
  )
})

test('a fault about an id says what was wanted and keeps the text out of the message', () => {
  expect(() => parseTypedId('ord', 'secret')).toThrow(
    'Cannot read the id: it is not a canonical ord_',
  )
  expect(() => parseId('secret')).toThrow('Cannot read the id: it is not a canonical id')
})

test.for(['', 'o', 'ORD', 'ord_', 'orderorder', 'o1'])('%j is no type of id', (prefix) => {
  expect(() => typedId(prefix, '00000000000000000000')).toThrow(RangeError)
  expect(() => parseTypedId(prefix, 'x')).toThrow(RangeError)
})
