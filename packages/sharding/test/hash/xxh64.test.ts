import { xxh32 } from '@stoa/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { hex64, xxh64, xxh64Bytes } from '../../src/hash/xxh64.ts'

// ClickHouse 00803_xxhash.sql and the documentation of xxHash.
test.for<[string, string]>([
  ['', 'ef46db3751d8e999'],
  ['ABC', 'e66ae7354fcfee98'],
  ['abc', '44bc2cf5ad770999'],
  ['xxhash', '32dd38952c4bc720'],
  ['foo', 3728699739546630719n.toString(16)],
  ['bar', 5234164152756840025n.toString(16)],
  ['\u0001', 9962287286179718960n.toString(16)],
  ['user:1', 'd9c7c4609e6080f3'],
])('xxh64 agrees with the published digest of %j', ([text, digest]) => {
  expect(hex64(xxh64(text))).toBe(digest)
})

test.for<[string, number]>([
  ['user:1', 243],
  ['buyer-42', 6089],
  ['Österreich', 2801],
])('xxh64 of the UTF-8 bytes of %j ends in the 14 bits computed elsewhere', ([text, bits]) => {
  expect(xxh64(text).lo & 0x3fff).toBe(bits)
})

// Digests of xxh32, from which slots are made, that the issue of this package was given.
test.for<[string, number]>([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
])('xxh32 of the kernel agrees with the published digest of %j', ([text, digest]) => {
  expect(xxh32(text)).toBe(digest)
})

// Vitess stores the little-endian bytes of XXH64 of the decimal text (go/vt/vtgate/vindexes/xxhash_test.go).
test.for<[string | number, string]>([
  ['test1', 'd01ab7e4d6978f0b'],
  ['test2', '87eb11714c0a0e89'],
  [1, 'd46405367612b4b7'],
  [-1, 'd8e2a6a7c8c7623d'],
])("xxh64 makes the keyspace id of Vitess' xxhash vindex for %j", ([key, id]) => {
  const { hi, lo } = xxh64(String(key))
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(lo, 0)
  bytes.writeUInt32LE(hi, 4)

  expect(bytes.toString('hex')).toBe(id)
})

const u64 = (value: bigint) => BigInt.asUintN(64, value)

/** The specification once more, word for word and in BigInt: slow, plain, and written differently. */
function plainXxh64(bytes: Uint8Array): bigint {
  const [p1, p2, p3] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n]
  const [p4, p5] = [0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n]
  const rotl = (value: bigint, by: bigint) => u64(value << by) | (u64(value) >> (64n - by))
  const round = (acc: bigint, lane: bigint) => u64(rotl(u64(acc + lane * p2), 31n) * p1)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let acc = p5
  if (bytes.length >= 32) {
    let lanes = [u64(p1 + p2), p2, 0n, u64(-p1)]
    for (; at + 32 <= bytes.length; at += 32)
      lanes = lanes.map((lane, i) => round(lane, view.getBigUint64(at + 8 * i, true)))
    acc = u64(lanes.reduce((sum, lane, i) => sum + rotl(lane, [1n, 7n, 12n, 18n][i] ?? 0n), 0n))
    for (const lane of lanes) acc = u64((acc ^ round(0n, lane)) * p1 + p4)
  }
  acc = u64(acc + BigInt(bytes.length))
  for (; at + 8 <= bytes.length; at += 8)
    acc = u64(rotl(acc ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4)
  for (; at + 4 <= bytes.length; at += 4)
    acc = u64(rotl(acc ^ u64(BigInt(view.getUint32(at, true)) * p1), 23n) * p2 + p3)
  for (; at < bytes.length; at += 1)
    acc = u64(rotl(acc ^ u64(BigInt(bytes[at] ?? 0) * p5), 11n) * p1)
  acc = u64((acc ^ (acc >> 33n)) * p2)
  acc = u64((acc ^ (acc >> 29n)) * p3)
  return acc ^ (acc >> 32n)
}

test('xxh64Bytes agrees with the specification written plainly, for every length', () => {
  for (let length = 0; length <= 100; length += 1) {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (bytes) => {
        expect(BigInt(`0x${hex64(xxh64Bytes(bytes))}`)).toBe(plainXxh64(bytes))
      }),
      { numRuns: 10 },
    )
  }
})

test.each(['a', 'é', '€', '😀', '\uD800'])(
  'xxh64 hashes the UTF-8 bytes of %j, whether the text fits the scratch space or not',
  (unit) => {
    for (const times of [0, 1, 7, 8, 31, 32, 170, 171, 341, 342, 1_023, 1_024, 1_025]) {
      const text = unit.repeat(times)
      expect(xxh64(text)).toEqual(xxh64Bytes(new TextEncoder().encode(text)))
    }
  },
)
