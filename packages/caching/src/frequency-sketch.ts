/** Counters a key is spread over; the least of them is the estimate. */
const depth = 4
/** Where a counter stops: four bits tell the often used from the rest. */
const counterMax = 15
/** Accesses for each entry, after which all counters are halved, so that old fame fades. */
const sampleFactor = 10
/** Odd constants that make four hashes of one. */
const seeds = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const

/**
 * How often keys were asked for lately, present or not, in half a byte a counter: a count-min sketch that halves.
 *
 * Never underestimates within a period; estimates stop at 15. Costs 16 counters for each entry.
 *
 * @see Einziger, Friedman and Manes 2017, "TinyLFU: A Highly Efficient Cache Admission Policy"
 */
export class FrequencySketch {
  readonly #table: Uint32Array
  readonly #mask: number
  readonly #sample: number
  #additions = 0

  constructor(entries: number) {
    const words = 2 ** Math.ceil(Math.log2(Math.max(8, entries)))
    this.#table = new Uint32Array(words * 2)
    this.#mask = words * 2 - 1
    this.#sample = sampleFactor * entries
  }

  /** Counts one use of the key with this hash. */
  add(hash: number): void {
    const table = this.#table
    let grew = false
    for (let row = 0; row < depth; row += 1) {
      const mixed = mix(hash, row)
      const word = (mixed >>> 3) & this.#mask
      const shift = (mixed & 7) << 2
      const cell = table[word] ?? 0
      if (((cell >>> shift) & counterMax) < counterMax) {
        table[word] = cell + (1 << shift)
        grew = true
      }
    }
    if (!grew) return
    this.#additions += 1
    if (this.#additions >= this.#sample) this.#halve()
  }

  /** About how often the key with this hash was used lately, 0 to 15. */
  estimate(hash: number): number {
    let least = counterMax
    for (let row = 0; row < depth; row += 1) {
      const mixed = mix(hash, row)
      const cell = this.#table[(mixed >>> 3) & this.#mask] ?? 0
      least = Math.min(least, (cell >>> ((mixed & 7) << 2)) & counterMax)
    }
    return least
  }

  #halve(): void {
    const table = this.#table
    for (let word = 0; word < table.length; word += 1) {
      table[word] = ((table[word] ?? 0) >>> 1) & 0x77777777
    }
    this.#additions >>>= 1
  }
}

function mix(hash: number, row: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), seeds[row] ?? 1)
  mixed ^= mixed >>> 15
  return mixed >>> 0
}
