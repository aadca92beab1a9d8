/** Where chance comes from. Everything that needs it takes one, so that one seed can fix a whole run. */
export type Random = {
  bytes(length: number): Uint8Array
  /** A whole number from 0 to 2^32 - 1, all equally likely. */
  uint32(): number
}

/** Bytes drawn at once: asking the platform for a few takes as long as for these. */
const drawnAtOnce = 4_096

/**
 * Random bytes out of a supply, each handed out once. A call to the platform's source takes 2 µs however few it is
 * asked for, and every id and token asks.
 */
function supply(draw: (bytes: Uint8Array<ArrayBuffer>) => unknown): (length: number) => Uint8Array {
  let drawn = new Uint8Array(0)
  let used = 0
  return (length) => {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new RangeError(`Cannot draw ${length} bytes: give a whole number`)
    if (used + length > drawn.length) {
      const fresh = new Uint8Array(Math.max(drawnAtOnce, length))
      // It may throw, and what is not drawn is zeros: they are taken up only after it.
      draw(fresh)
      drawn = fresh
      used = 0
    }
    used += length
    return drawn.slice(used - length, used)
  }
}

const drawSecure = supply((bytes) => crypto.getRandomValues(bytes))

/**
 * Unpredictable, from the platform's own source; fit for secrets.
 *
 * Touches `crypto` only when asked: Workers forbid randomness while a module is being loaded.
 */
export const secureRandom: Random = {
  bytes: drawSecure,
  uint32: () => new DataView(drawSecure(4).buffer).getUint32(0),
}

/**
 * The same sequence for the same seed, for tests and simulations. Predictable: never for secrets.
 *
 * @see Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" (32-bit variant)
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0
  const uint32 = () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return { uint32, bytes: (length) => Uint8Array.from({ length }, () => uint32() >>> 24) }
}
