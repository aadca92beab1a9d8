import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { encodeEntry, leaseText, meets, minOf, parseStored, tombstoneText } from '../src/entry.ts'

const whole = fc.nat()
const entries = fc.record({
  nonce: fc.stringMatching(/^[a-z0-9]{1,14}$/),
  version: fc.option(whole, { nil: undefined }),
  freshUntil: whole,
  staleUntil: whole,
  loadMs: whole,
  tags: fc.dictionary(fc.string(), fc.string()),
  isNegative: fc.boolean(),
  body: fc.string({ unit: 'binary' }),
})

describe('what a key holds', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        const raw = encodeEntry(entry)
        expect(parseStored(raw)).toEqual({ kind: 'entry', raw, entry })
      }),
    )
  })

  test('is a tombstone or a lease with its version', () => {
    fc.assert(
      fc.property(whole, whole, (min, until) => {
        expect(parseStored(tombstoneText(min, 'n.1'))).toMatchObject({ kind: 'tombstone', min })
        expect(parseStored(leaseText('t', { min, until }))).toMatchObject({
          kind: 'lease',
          token: 't',
          min,
          until,
        })
      }),
    )
  })

  test('is never taken for an entry, nor thrown at, when it is any other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(minOf(parseStored(text))).toBe(0)
      }),
    )
  })
})

test('a version is proved only by a version', () => {
  expect([meets(undefined, 0), meets(undefined, 1), meets(1, 2), meets(2, 2)]).toEqual([
    true,
    false,
    false,
    true,
  ])
})
