import { utf8, wordAt } from './utf8.ts'
import { add, multiply, rotate, type Wide } from './wide.ts'

/** A 64-bit hash as two unsigned halves: every bit of it is exact in a JavaScript number. */
export type Hash64 = { readonly hi: number; readonly lo: number }

const P1: Hash64 = { hi: 0x9e3779b1, lo: 0x85ebca87 }
const P2: Hash64 = { hi: 0xc2b2ae3d, lo: 0x27d4eb4f }
const P3: Hash64 = { hi: 0x165667b1, lo: 0x9e3779f9 }
const P4: Hash64 = { hi: 0x85ebca77, lo: 0xc2b2ae63 }
const P5: Hash64 = { hi: 0x27d4eb2f, lo: 0x165667c5 }

const zero: Hash64 = { hi: 0, lo: 0 }

/** The four lanes of a long input at its beginning, and by how many bits each is turned at its end. */
const lanes: readonly { readonly begin: readonly Hash64[]; readonly turn: number }[] = [
  { begin: [P1, P2], turn: 1 },
  { begin: [P2], turn: 7 },
  { begin: [], turn: 12 },
  { begin: [{ hi: ~P1.hi, lo: -P1.lo }], turn: 18 },
]

/**
 * XXH64 of the UTF-8 bytes of `text`, seed 0. A lone surrogate counts as U+FFFD.
 *
 * For interoperation, and where 32 bits are too few; slots use XXH32. Resists no attacker. O(bytes).
 *
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export function xxh64(text: string): Hash64 {
  return xxh64Bytes(utf8(text))
}

/** XXH64 of `bytes`, seed 0. @see {@link xxh64} */
export function xxh64Bytes(bytes: Uint8Array): Hash64 {
  const length = bytes.length
  const hash: Wide = length < 32 ? { ...P5 } : stripes(bytes)
  const input: Wide = { ...zero }
  let at = length - (length % 32)
  add(hash, { hi: 0, lo: length })
  for (; at <= length - 8; at += 8) {
    read(input, bytes, at)
    merge(hash, input)
    rotate(hash, 27)
    multiply(hash, P1)
    add(hash, P4)
  }
  if (at <= length - 4) {
    input.hi = 0
    input.lo = wordAt(bytes, at)
    multiply(input, P1)
    fold(hash, input)
    rotate(hash, 23)
    multiply(hash, P2)
    add(hash, P3)
    at += 4
  }
  for (; at < length; at += 1) {
    input.hi = 0
    input.lo = bytes[at] ?? 0
    multiply(input, P5)
    fold(hash, input)
    rotate(hash, 11)
    multiply(hash, P1)
  }
  avalanche(hash)
  return { hi: hash.hi >>> 0, lo: hash.lo >>> 0 }
}

/** `hash` in 16 hexadecimal digits, most significant first. */
export function hex64({ hi, lo }: Hash64): string {
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0')
}

/** The whole 32-byte stripes of `bytes`, through four lanes. */
function stripes(bytes: Uint8Array): Wide {
  const states = lanes.map(({ begin, turn }) => {
    const lane: Wide = { ...zero }
    for (const part of begin) add(lane, part)
    return { lane, turn }
  })
  const input: Wide = { ...zero }
  for (let at = 0; at <= bytes.length - 32; at += 32) {
    for (const [index, { lane }] of states.entries()) {
      read(input, bytes, at + 8 * index)
      round(lane, input)
    }
  }
  const hash: Wide = { ...zero }
  for (const { lane, turn } of states) {
    const turned = { ...lane }
    rotate(turned, turn)
    add(hash, turned)
  }
  for (const { lane } of states) {
    merge(hash, lane)
    multiply(hash, P1)
    add(hash, P4)
  }
  return hash
}

function read(into: Wide, bytes: Uint8Array, at: number): void {
  into.lo = wordAt(bytes, at)
  into.hi = wordAt(bytes, at + 4)
}

/** One step of a lane; `input` is used up. */
function round(lane: Wide, input: Wide): void {
  multiply(input, P2)
  add(lane, input)
  rotate(lane, 31)
  multiply(lane, P1)
}

/** Folds one round of `input` into `hash`; `input` is used up. */
function merge(hash: Wide, input: Wide): void {
  multiply(input, P2)
  rotate(input, 31)
  multiply(input, P1)
  fold(hash, input)
}

function fold(hash: Wide, input: Wide): void {
  hash.hi ^= input.hi
  hash.lo ^= input.lo
}

/** Lets every bit of the input change every bit of the hash. */
function avalanche(hash: Wide): void {
  hash.lo ^= hash.hi >>> 1
  multiply(hash, P2)
  hash.lo ^= (hash.lo >>> 29) | (hash.hi << 3)
  hash.hi ^= hash.hi >>> 29
  multiply(hash, P3)
  hash.lo ^= hash.hi
}
