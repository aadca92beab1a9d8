import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'

import { secureRandom, seededRandom } from '../src/index.ts'

test('the seeded random repeats itself for a seed, and differs between seeds', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const [one, same, other] = [seededRandom(seed), seededRandom(seed), seededRandom(seed + 1)]
      expect(one.bytes(16)).toEqual(same.bytes(16))
      expect(one.uint32()).toBe(same.uint32())
      expect(one.bytes(16)).not.toEqual(other.bytes(16))
    }),
  )
})

test('the seeded random fills every bit of a word about half of the time', () => {
  const random = seededRandom(1)
  const ones = Array.from({ length: 32 }, () => 0)

  for (let i = 0; i < 10_000; i += 1) {
    const word = random.uint32()
    for (let bit = 0; bit < 32; bit += 1) ones[bit] = (ones[bit] ?? 0) + ((word >>> bit) & 1)
  }

  for (const count of ones) expect(Math.abs(count - 5_000)).toBeLessThan(300)
})

test('the secure random gives as many bytes as asked, and whole unsigned words', () => {
  expect(secureRandom.bytes(24)).toHaveLength(24)
  expect(secureRandom.bytes(24)).not.toEqual(secureRandom.bytes(24))
  const word = secureRandom.uint32()
  expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true)
})

test('the secure random hands no byte out twice, however it is asked', () => {
  const words = Array.from({ length: 20_000 }, (_, n) =>
    String(n % 2 === 0 ? secureRandom.bytes(16) : secureRandom.bytes(12 + (n % 50))),
  )
  const mine = secureRandom.bytes(16)
  const copy = [...mine]
  secureRandom.bytes(16).fill(0)

  expect(new Set(words).size).toBe(words.length)
  expect([...mine]).toEqual(copy)
  expect(secureRandom.bytes(10_000)).toHaveLength(10_000)
})

test('the secure random hands nothing out that was not drawn', () => {
  const draw = vi.spyOn(crypto, 'getRandomValues').mockImplementation(() => {
    throw new Error('not while a module is being loaded')
  })
  expect(() => secureRandom.bytes(5_000)).toThrow('not while')
  draw.mockRestore()

  expect(secureRandom.bytes(4_000).some((byte) => byte !== 0)).toBe(true)
  expect(() => secureRandom.bytes(70_000)).toThrow(/exceeds|quota/i)
  expect(secureRandom.bytes(4_096).some((byte) => byte !== 0)).toBe(true)
  for (const length of [-1, 0.5, Number.NaN])
    expect(() => secureRandom.bytes(length)).toThrow(RangeError)
  expect(secureRandom.bytes(16)).toHaveLength(16)
})
