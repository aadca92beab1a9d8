import { utf8, wordAt } from './utf8.ts'

/**
 * MurmurHash3_x86_32 of the UTF-8 bytes of `text`, as an unsigned 32-bit number.
 *
 * For keys that were placed by it elsewhere; slots use XXH32. Resists no attacker. O(bytes).
 *
 * @see https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
 */
export function murmur3(text: string, seed = 0): number {
  return murmur3Bytes(utf8(text), seed)
}

/** MurmurHash3_x86_32 of `bytes`. @see {@link murmur3} */
export function murmur3Bytes(bytes: Uint8Array, seed = 0): number {
  const whole = bytes.length & ~3
  let hash = seed | 0
  for (let at = 0; at < whole; at += 4) {
    hash ^= scrambled(wordAt(bytes, at))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  if (whole < bytes.length) hash ^= scrambled(wordAt(bytes, whole))
  return mix32(hash ^ bytes.length)
}

/** Murmur's finalizer: a one-to-one mapping of 32 bits in which every bit of `value` changes every bit of the result. */
export function mix32(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function scrambled(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
