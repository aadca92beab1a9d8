import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { jump, jumpBucket } from '../../src/placement/jump.ts'
import { namedNodes, users } from './arbitraries.ts'

const wide = (key: bigint) => ({ hi: Number(key >> 32n), lo: Number(key & 0xffffffffn) })
const bucket = (key: bigint, buckets: number) => jumpBucket(wide(key), buckets)

describe('jumpBucket', () => {
  test('agrees with Guava', () => {
    expect([1n, 2n, 3n, 4n, 5n].map((key) => bucket(key, 100))).toEqual([55, 62, 8, 45, 59])
  })

  const times = (count: number, value: number) => Array.from({ length: count }, () => value)
  test.for<[bigint, number[]]>([
    [0n, times(19, 0)],
    [1n, [...times(6, 0), ...times(11, 6), ...times(2, 17)]],
    [0xdeadbeefn, [0, 1, 2, 3, 3, ...times(11, 5), ...times(3, 16)]],
    [0x0ddc0ffeebadf00dn, [0, 1, ...times(13, 2), ...times(4, 15)]],
  ])('agrees with go-jump on %i in 1 to 19 buckets', ([key, buckets]) => {
    expect(buckets.map((_, index) => bucket(key, index + 1))).toEqual(buckets)
  })

  test.for<[bigint, number, number]>([
    [42n, 57, 43],
    [256n, 1024, 520],
    [3735883980n, 666, 361],
    [16045690984833335023n, 255, 237],
  ])('agrees with ClickHouse on %i in %i buckets', ([key, buckets, expected]) => {
    expect(bucket(key, buckets)).toBe(expected)
  })

  test.for<[bigint, number]>([
    [10863919174838991n, 6],
    [2016238256797177309n, 3],
    [1673758223894951030n, 5],
  ])('agrees with Microsoft on %i in 11 buckets', ([key, expected]) => {
    expect(bucket(key, 11)).toBe(expected)
  })

  /** The paper's own code, in BigInt. */
  function plainJump(key: bigint, buckets: number): number {
    let [state, at, next] = [key, -1, 0]
    while (next < buckets) {
      at = next
      state = BigInt.asUintN(64, state * 2862933555777941757n + 1n)
      next = Math.trunc((at + 1) * (2 ** 31 / Number((state >> 33n) + 1n)))
    }
    return at
  }

  test("agrees with the paper's code for every key", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 1, max: 100_000 }),
        (key, buckets) => {
          expect(bucket(key, buckets)).toBe(plainJump(key, buckets))
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

test('jump moves keys only to the node that is appended', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), (count) => {
      const before = jump(namedNodes(count))
      const after = jump(namedNodes(count + 1))

      const moved = users.filter((key) => after(key).name !== before(key).name)
      expect(moved.every((key) => after(key).name === `node-${count}`)).toBe(true)
      expect(Math.abs((moved.length * (count + 1)) / users.length - 1)).toBeLessThan(0.2)
    }),
    { numRuns: 10 },
  )
})
