import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { mergeTokens } from '../../src/index.ts'
import {
  emptyToken,
  formatToken,
  type Mark,
  marked,
  parseToken,
  seqFor,
  type SessionToken,
} from '../../src/replicas/session-token.ts'

const now = 1_790_000_000_000

const write = fc.record({
  shard: fc.stringMatching(/^[a-z0-9._-]{1,12}$/),
  version: fc.nat(1_000),
  seq: fc.oneof(fc.nat(), fc.constant(Infinity)),
  at: fc.integer({ min: now - 300_000, max: now }),
})

type Write = Mark & { readonly shard: string; readonly version: number }

function tokenOf(writes: readonly Write[]): SessionToken {
  return writes.toSorted((one, other) => one.at - other.at).reduce(marked, emptyToken)
}

/** Writes that a replica may lack still. */
const recent = ({ at }: { readonly at: number }) => at + 60_000 >= now

describe('a session token', () => {
  test('never asks a replica for less than what was written', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 80 }), (writes) => {
        const token = parseToken(formatToken(tokenOf(writes)), now)
        for (const { shard, seq, version } of writes.filter(recent)) {
          expect(seqFor(token, shard)).toBeGreaterThanOrEqual(seq)
          expect(token.version).toBeGreaterThanOrEqual(version)
        }
      }),
    )
  })

  test('asks for what either of two asks, once they are merged', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 60 }),
        fc.array(write, { maxLength: 60 }),
        (a, b) => {
          const texts = [formatToken(tokenOf(a)), formatToken(tokenOf(b))] as const
          const token = parseToken(mergeTokens(...texts, now), now)
          for (const { shard, seq } of [...a, ...b].filter(recent))
            expect(seqFor(token, shard)).toBeGreaterThanOrEqual(seq)
        },
      ),
    )
  })

  test('fits a cookie, however many shards were written', () => {
    const writes = Array.from({ length: 500 }, (_, index) => ({
      shard: `${'s'.repeat(60)}${index}`,
      version: 1,
      seq: 2 ** 50,
      at: now,
    }))

    const text = formatToken(tokenOf(writes))

    expect(text.length).toBeLessThanOrEqual(3_000)
    expect(text).toMatch(/^[\w!~*.-]+$/)
    expect(seqFor(parseToken(text, now), 'another')).toBe(Infinity)
  })

  test('is empty two minutes after the last write', () => {
    const text = formatToken(marked(emptyToken, { shard: 'a', version: 3, seq: 7, at: now }))

    expect(formatToken(parseToken(text, now + 119_000))).toBe(text)
    expect(formatToken(parseToken(text, now + 122_000))).toBe('')
  })

  test('sends everything to the primary when it is no token, or was cut', () => {
    const whole = formatToken(marked(emptyToken, { shard: 'a', version: 3, seq: 7, at: now }))
    for (const text of ['nonsense', '2!a', whole.slice(0, -9), `${whole}!`, 'x'.repeat(9_000)])
      expect(seqFor(parseToken(text, now), 'a')).toBe(Infinity)
  })

  test('takes any text, and keeps nothing beyond two minutes of it', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.stringMatching(/^1![0-9a-z]{1,12}(![a-z*]{1,3}~[0-9a-z*]{1,12}~[0-9a-z]{1,10}){0,4}$/),
    )
    fc.assert(
      fc.property(anything, (text) => {
        const later = formatToken(parseToken(formatToken(parseToken(text, now)), now + 122_000))
        expect(later).toBe('')
      }),
    )
  })
})
