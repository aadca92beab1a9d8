import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { bytesOf, textOf } from '../../src/redis/bytes.ts'
import { globOf } from '../../src/redis/memory/glob.ts'
import { formatLongDouble, longDoubleOf } from '../../src/redis/memory/long-double.ts'
import { addIntegers, formatDouble, integerOf } from '../../src/redis/memory/numbers.ts'
import { SortedSet } from '../../src/redis/memory/sorted-set.ts'
import { isStatus, ReplyError, type Reply } from '../../src/redis/reply.ts'
import { encodeResp2 } from '../../src/redis/rest/encode.ts'
import { ReplyParser } from '../../src/redis/server/reply-parser.ts'

const byteString = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes))

const line = fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[^ -~]/g, '.'))
const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    byteString,
    fc.constant(null),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    line.map((status) => ({ status })),
    line.map((message) => new ReplyError(`ERR ${message}`)),
    fc.array(tie('reply'), { maxLength: 5 }),
  ),
}))

function plain(value: Reply): unknown {
  if (value instanceof ReplyError) return { error: value.message }
  if (value === null || typeof value !== 'object' || isStatus(value)) return value
  return value.map(plain)
}

describe('the reply parser', () => {
  test('reads what was written, however the stream is cut up', () => {
    fc.assert(
      fc.property(
        fc.array(reply, { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (replies, sizes) => {
          const found: Reply[] = []
          const parser = new ReplyParser((each) => found.push(each))
          const stream = Buffer.from(replies.map(encodeResp2).join(''), 'latin1')
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1
            parser.push(stream.subarray(at, at + size))
            at += size
          }

          expect(found.map(plain)).toEqual(replies.map(plain))
        },
      ),
    )
  })
})

describe('byte strings', () => {
  test('carry any well-formed text there and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(textOf(bytesOf(text))).toBe(text.toWellFormed())
      }),
    )
  })
})

const regularForm = new Map([
  ['*', '.*'],
  ['?', '.'],
  ['.', '\\.'],
])

describe('a glob', () => {
  test('matches as the regular expression it stands for', () => {
    const piece = fc.constantFrom('*', '?', 'a', 'b', '.', '\\*', '[ab]', '[^a]', '[a-c]')
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.constantFrom('a', 'b', 'c', '.', '*'), { maxLength: 10 }),
        (pieces, letters) => {
          const source = pieces.map((each) => regularForm.get(each) ?? each).join('')
          const text = letters.join('')

          expect(globOf(pieces.join(''))(text)).toBe(new RegExp(`^${source}$`, 's').test(text))
        },
      ),
    )
  })

  test('stays quick on a pattern made to backtrack', () => {
    const started = performance.now()

    expect(globOf('*a*a*a*a*a*a*a*b')('a'.repeat(5000))).toBe(false)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

function attempt(add: () => number | bigint): unknown {
  try {
    return BigInt(add())
  } catch (error) {
    return error
  }
}

describe('numbers', () => {
  test('are read as integers only in their one spelling', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (value) => {
        const inRange = value >= -(2n ** 63n) && value < 2n ** 63n
        const found = integerOf(String(value))
        expect(found === undefined ? undefined : BigInt(found)).toBe(inRange ? value : undefined)
      }),
    )
    for (const text of ['', '+1', ' 1', '1 ', '01', '-0', '1.0', '0x1']) {
      expect(integerOf(text)).toBeUndefined()
    }
  })

  test('add up exactly or not at all', () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    fc.assert(
      fc.property(int64, int64, (left, right) => {
        const sum = left + right
        const fits = sum >= -(2n ** 63n) && sum < 2n ** 63n

        expect(attempt(() => addIntegers(left, right))).toEqual(
          fits ? sum : new ReplyError('ERR increment or decrement would overflow'),
        )
      }),
    )
  })

  test('print as scores that read back as the same double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const text = formatDouble(value)
        expect(Number(text.replace('inf', 'Infinity'))).toBe(value)
      }),
    )
  })

  test('keep short decimals short in extended precision', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9999, max: 9999 }), (units) => {
        const text = String(units / 1000)
        const value = longDoubleOf(text)
        expect(value && formatLongDouble(value)).toBe(text)
      }),
    )
  })
})

describe('a sorted set', () => {
  test('is ordered by score, then by member, whatever was done to it', () => {
    const change = fc.tuple(
      fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      fc.integer({ min: -3, max: 3 }),
      fc.boolean(),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const set = new SortedSet()
        const model = new Map<string, number>()
        for (const [member, score, isRemoval] of changes) {
          if (isRemoval) {
            set.delete(member)
            model.delete(member)
          } else {
            set.set(member, score)
            model.set(member, score)
          }
        }
        const wanted = [...model].toSorted(
          ([left, leftScore], [right, rightScore]) =>
            leftScore - rightScore || (left < right ? -1 : 1),
        )

        expect(set.entries().map(({ member, score }) => [member, score])).toEqual(wanted)
        for (const [rank, [member]] of wanted.entries()) expect(set.rank(member)).toBe(rank)
      }),
    )
  })
})
