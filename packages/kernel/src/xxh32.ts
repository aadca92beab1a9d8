const P1 = 0x9e3779b1
const P2 = 0x85ebca77
const P3 = 0xc2b2ae3d
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

const encoder = new TextEncoder()
/** Most keys are shorter than this, and are then hashed without an allocation. */
const scratch = new Uint8Array(1024)

/**
 * XXH32 of the UTF-8 bytes of `text`, as an unsigned 32-bit number. A lone surrogate counts as U+FFFD.
 *
 * Spreads keys; resists no attacker. Costs about 0.03 µs for a short key of ASCII, O(bytes).
 *
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export function xxh32(text: string, seed = 0): number {
  // UTF-8 needs at most three bytes for each UTF-16 unit.
  if (text.length * 3 > scratch.length) return xxh32Bytes(encoder.encode(text), seed)
  const written = writeAscii(text) ? text.length : encoder.encodeInto(text, scratch).written
  return hashOf(scratch, written, seed)
}

/** XXH32 of `bytes`. @see {@link xxh32} */
export function xxh32Bytes(bytes: Uint8Array, seed = 0): number {
  return hashOf(bytes, bytes.length, seed)
}

/** Writes `text` to the scratch; false when it is not all ASCII. For short keys, many times as fast as the encoder. */
function writeAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return false
    scratch[i] = unit
  }
  return true
}

/** XXH32 of the first `length` of `bytes`. */
function hashOf(bytes: Uint8Array, length: number, seed: number): number {
  let at = 0
  let hash = (seed + P5) | 0
  if (length >= 16) {
    let a = (seed + P1 + P2) | 0
    let b = (seed + P2) | 0
    let c = seed | 0
    let d = (seed - P1) | 0
    for (; at <= length - 16; at += 16) {
      a = round(a, word(bytes, at))
      b = round(b, word(bytes, at + 4))
      c = round(c, word(bytes, at + 8))
      d = round(d, word(bytes, at + 12))
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  }
  hash = (hash + length) | 0
  for (; at <= length - 4; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(word(bytes, at), P3)) | 0, 17), P4)
  }
  for (; at < length; at += 1) {
    hash = Math.imul(rotate((hash + Math.imul(byte(bytes, at), P5)) | 0, 11), P1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), P2)
  hash = Math.imul(hash ^ (hash >>> 13), P3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, P2)) | 0, 13), P1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** The four bytes at `at` as a little-endian word. */
function word(bytes: Uint8Array, at: number): number {
  return (
    byte(bytes, at) |
    (byte(bytes, at + 1) << 8) |
    (byte(bytes, at + 2) << 16) |
    (byte(bytes, at + 3) << 24)
  )
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
