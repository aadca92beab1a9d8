/** Writes bits, the most significant first. Grows as it must. */
export class BitWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  /** The low `count` bits of `value`, at most 32. */
  write(value: number, count: number): void {
    while ((this.#length + count + 7) >>> 3 > this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    for (let left = count; left > 0;) {
      const at = this.#length >>> 3
      const room = 8 - (this.#length & 7)
      const take = Math.min(room, left)
      const bits = (value >>> (left - take)) & ((1 << take) - 1)
      this.#bytes[at] = (this.#bytes[at] ?? 0) | (bits << (room - take))
      this.#length += take
      left -= take
    }
  }

  /** A whole number below 2^53, in two halves. */
  writeLong(value: number, count: number): void {
    if (count > 32) this.write(Math.floor(value / 2 ** 32), count - 32)
    this.write(value >>> 0, Math.min(32, count))
  }

  /** As many ones as `value`, and a zero. */
  writeUnary(value: number): void {
    for (let left = value; left > 0; left -= 24) this.write(0xffffffff, Math.min(24, left))
    this.write(0, 1)
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, (this.#length + 7) >>> 3)
  }
}

/** Reads what {@link BitWriter} wrote. Past the end it reads zeros. */
export class BitReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  read(count: number): number {
    let value = 0
    for (let left = count; left > 0;) {
      const room = 8 - (this.#at & 7)
      const take = Math.min(room, left)
      const byte = this.#bytes[this.#at >>> 3] ?? 0
      const bits = (byte >>> (room - take)) & ((1 << take) - 1)
      value = ((value << take) | bits) >>> 0
      this.#at += take
      left -= take
    }
    return value
  }

  readLong(count: number): number {
    const high = count > 32 ? this.read(count - 32) : 0
    return high * 2 ** 32 + this.read(Math.min(32, count))
  }

  readUnary(): number {
    let value = 0
    while (this.read(1) === 1) value += 1
    return value
  }
}

/**
 * Rice code: the quotient by 2^k in ones, the rest in k bits. Best for numbers around 2^k.
 *
 * @see Rice and Plaunt 1971, "Adaptive Variable-Length Coding for Efficient Compression of Spacecraft Television Data"
 */
export function writeRice(bits: BitWriter, value: number, k: number): void {
  bits.writeUnary(Math.floor(value / 2 ** k))
  bits.writeLong(value % 2 ** k, k)
}

export function readRice(bits: BitReader, k: number): number {
  const quotient = bits.readUnary()
  return quotient * 2 ** k + bits.readLong(k)
}

/** The k with which numbers of this mean are shortest. */
export function riceParameter(mean: number): number {
  return Math.min(52, Math.max(0, Math.floor(Math.log2(Math.max(1, mean * 0.69)))))
}

/**
 * Exponential-Golomb code of order `k`: short for small numbers, and exact to 2^53 - 1 - 2^k however large.
 *
 * @see Teuhola 1978, "A compression method for clustered bit-vectors"
 */
export function writeExpGolomb(bits: BitWriter, value: number, k: number): void {
  const shifted = value + 2 ** k
  const width = Math.floor(Math.log2(shifted))
  // log2 rounds: near a power of two it may be one too high.
  const exact = 2 ** width > shifted ? width - 1 : 2 ** (width + 1) <= shifted ? width + 1 : width
  bits.writeUnary(exact - k)
  bits.writeLong(shifted - 2 ** exact, exact)
}

export function readExpGolomb(bits: BitReader, k: number): number {
  const width = bits.readUnary() + k
  return bits.readLong(width) + 2 ** width - 2 ** k
}
