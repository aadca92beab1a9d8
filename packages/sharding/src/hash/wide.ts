/**
 * A 64-bit number in two 32-bit halves, changed in place: 64-bit hashes without BigInt, which costs seven times as
 * much. The halves are whole numbers modulo 2^32, of either sign.
 */
export type Wide = { hi: number; lo: number }

/** `wide += addend`, modulo 2^64. */
export function add(wide: Wide, addend: Readonly<Wide>): void {
  const lo = (wide.lo >>> 0) + (addend.lo >>> 0)
  wide.hi = (wide.hi + addend.hi + (lo > 0xffffffff ? 1 : 0)) | 0
  wide.lo = lo | 0
}

/** `wide *= factor`, modulo 2^64. */
export function multiply(wide: Wide, factor: Readonly<Wide>): void {
  const { hi, lo } = wide
  wide.hi = (upperHalf(lo, factor.lo) + Math.imul(hi, factor.lo) + Math.imul(lo, factor.hi)) | 0
  wide.lo = Math.imul(lo, factor.lo)
}

/** Turns `wide` left by `bits`, 1 to 31. */
export function rotate(wide: Wide, bits: number): void {
  const { hi, lo } = wide
  wide.hi = (hi << bits) | (lo >>> (32 - bits))
  wide.lo = (lo << bits) | (hi >>> (32 - bits))
}

/** The upper 32 of the 64 bits of the unsigned product, from 16-bit digits: each step stays below 2^32. */
function upperHalf(one: number, other: number): number {
  const [one0, one1] = [one & 0xffff, one >>> 16]
  const [other0, other1] = [other & 0xffff, other >>> 16]
  const middle = one1 * other0 + ((one0 * other0) >>> 16)
  const cross = one0 * other1 + (middle & 0xffff)
  return (one1 * other1 + (middle >>> 16) + (cross >>> 16)) | 0
}
