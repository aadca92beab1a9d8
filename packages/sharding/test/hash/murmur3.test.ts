import { expect, test } from 'vitest'

import { murmur3, murmur3Bytes } from '../../src/hash/murmur3.ts'

// Ian Boyd's vectors, stackoverflow.com/a/31929528, which the implementations of many languages test with.
test.for<[string, number, number]>([
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['ffffffff', 0, 0x76293b50],
  ['21436587', 0, 0xf55b516b],
  ['21436587', 0x5082edee, 0x2362f9de],
  ['214365', 0, 0x7e4a8634],
  ['2143', 0, 0xa0f7b07a],
  ['21', 0, 0x72661cf4],
  ['00000000', 0, 0x2362f9de],
  ['000000', 0, 0x85f0b427],
  ['0000', 0, 0x30f4c306],
  ['00', 0, 0x514e28b7],
])('murmur3Bytes of %s with seed %i agrees with the published digest', ([hex, seed, digest]) => {
  expect(murmur3Bytes(Buffer.from(hex, 'hex'), seed)).toBe(digest)
})

test.for<[string, number]>([
  ['aaaa', 0x5a97808a],
  ['Hello, world!', 0x24884cba],
  ['The quick brown fox jumps over the lazy dog', 0x2fa826cd],
])('murmur3 of %j with seed 9747b28c agrees with the published digest', ([text, digest]) => {
  expect(murmur3(text, 0x9747b28c)).toBe(digest)
})
