import { parseId, prefixOfText, timeOf } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { ValueType } from '../../src/import/options.ts'
import { joined, stableId } from '../../src/import/stable-id.ts'
import { literalOf, readValue, typeOfColumn } from '../../src/import/values.ts'

describe('readValue', () => {
  test.each<[unknown, ValueType, unknown]>([
    ['007', 'integer', 7],
    ['-9223372036854775808', 'integer', -9223372036854775808n],
    [5, 'real', 5],
    [' 1.5e3 ', 'real', 1500],
    ['9007199254740993', 'numeric', 9007199254740993n],
    ['1.10', 'numeric', 1.1],
    ['abc', 'numeric', 'abc'],
    [true, 'integer', 1],
    ['yes', 'boolean', 1],
    ['F', 'boolean', 0],
    [12, 'text', '12'],
    [{ a: [1] }, 'text', '{"a":[1]}'],
    ['aGk=', 'blob', new Uint8Array([104, 105])],
    ['2020-01-02', 'time', 1_577_923_200_000],
    ['2020-01-02 03:04:05', 'time', 1_577_934_245_000],
    ['2020-01-02T03:04:05+01:00', 'time', 1_577_930_645_000],
    ['1577923200000', 'time', 1_577_923_200_000],
    [null, 'integer', null],
    [undefined, 'text', null],
  ])('reads %o as %s', (value, type, expected) => {
    expect(readValue(value, type)).toEqual(expected)
  })

  test.each<[unknown, ValueType]>([
    ['1.5', 'integer'],
    ['9223372036854775808', 'integer'],
    ['', 'integer'],
    ['0x10', 'real'],
    ['Infinity', 'real'],
    ['12345678901234567.5', 'numeric'],
    ['maybe', 'boolean'],
    ['\ud800', 'text'],
    ['a\0b', 'text'],
    [new Uint8Array(1), 'text'],
    ['no base64!', 'blob'],
    ['yesterday', 'time'],
    ['2020-13-01', 'time'],
  ])('refuses %o as %s, and loses nothing silently', (value, type) => {
    expect(() => readValue(value, type)).toThrow(
      expect.objectContaining({ code: 'import_bad_line' }),
    )
  })

  test('gives each declared type the affinity SQLite gives it', () => {
    const declared = ['BIGINT', 'varchar(9)', 'DOUBLE', '', 'BLOB', 'DECIMAL(9,2)', 'POINT']

    expect(declared.map(typeOfColumn)).toEqual([
      'integer',
      'text',
      'real',
      'any',
      'blob',
      'numeric',
      'integer',
    ])
  })

  test('knows a literal default from one that the database works out', () => {
    expect(["'it''s'", '-3', '1.5', 'NULL', 'true'].map(literalOf)).toEqual([
      "it's",
      -3,
      1.5,
      null,
      1,
    ])
    expect(['CURRENT_TIMESTAMP', '(1 + 1)', "x'00'"].map(literalOf)).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('stableId', () => {
  test('is a canonical id in the place of its text, and always the same', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const id = stableId(text)

        expect(parseId(id)).toBe(stableId(text))
        expect(id.startsWith(prefixOfText(text))).toBe(true)
        expect(timeOf(id)).toBeLessThan(Date.UTC(2005, 0))
      }),
    )
  })

  test('lives with its owner, and is made when it is said to be', () => {
    const id = stableId('order-1', { owner: 'ann', time: 1_700_000_000_000 })

    expect(id.slice(0, 5)).toBe(prefixOfText('ann'))
    expect(timeOf(id)).toBe(1_700_000_000_000)
    expect(stableId('order-2', { owner: 'ann', time: 1_700_000_000_000 })).not.toBe(id)
  })

  test('tells lists of texts apart however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { minLength: 2 }),
        fc.array(fc.string(), { minLength: 2 }),
        (one, other) => {
          expect(joined(one) === joined(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
        },
      ),
    )
  })
})
