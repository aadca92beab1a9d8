import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  countOf,
  decodeSketch,
  emptySketch,
  encodeSketch,
  hashOfMember,
  sketchOf,
  unionOf,
} from '../src/index.ts'

function members(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => hashOfMember(`member ${from + index}`))
}

describe('a unique count', () => {
  test('is exact to 128 members, however often they come', () => {
    for (const n of [0, 1, 64, 128]) {
      const sketch = unionOf(sketchOf(members(0, n)), sketchOf(members(0, n)))

      expect(countOf(sketch)).toEqual({ count: n, error: 0 })
    }
  })

  test.each([
    [129, 'linear'],
    [500, 'linear'],
    [4_000, 'linear'],
    [8_000, 'dense'],
    [50_000, 'dense'],
    [300_000, 'dense'],
  ])('of %i members errs by less than four of its own standard errors', (n, form) => {
    const sketch = sketchOf(members(0, n))
    const { count, error } = countOf(sketch)

    expect(sketch.form).toBe(form)
    expect(error / n).toBeLessThan(0.0085)
    expect(Math.abs(count - n)).toBeLessThanOrEqual(4 * error + 1)
  })

  test('is the same in whatever order and however often parts are united', () => {
    const part = fc
      .tuple(fc.nat(3_000), fc.nat(3_000))
      .map(([a, b]) => members(Math.min(a, b), Math.max(a, b)))
    fc.assert(
      fc.property(part, part, part, (one, two, three) => {
        const left = unionOf(unionOf(sketchOf(one), sketchOf(two)), sketchOf(three))
        const right = unionOf(
          sketchOf(three),
          unionOf(unionOf(sketchOf(two), sketchOf(one)), sketchOf(two)),
        )

        expect(countOf(left)).toEqual(countOf(right))
        expect(countOf(left)).toEqual(countOf(sketchOf([...one, ...two, ...three])))
      }),
      { numRuns: 30 },
    )
  })

  test.each([0, 5, 128, 1_000, 20_000])('of %i members survives its encoding', (n) => {
    const sketch = n === 0 ? emptySketch : sketchOf(members(0, n))

    expect(countOf(decodeSketch(encodeSketch(sketch)))).toEqual(countOf(sketch))
  })

  test('takes 7 bytes a member, 2.5 a register, 12 kB at most', () => {
    expect(encodeSketch(sketchOf(members(0, 100))).length).toBeLessThan(680)
    expect(encodeSketch(sketchOf(members(0, 500))).length).toBeLessThan(1_260)
    expect(encodeSketch(sketchOf(members(0, 100_000))).length).toBe(12_289)
  })
})
