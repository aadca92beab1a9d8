import { CounterOverflowError } from './faults.ts'
import { type Handle, idOfWords, parsed, parseWords } from './subject.ts'

/** Entries a table begins with; it doubles when seven of eight are used. */
const capacityMin = 64
/** Words of a key; the deltas follow it, so that an increment touches one line of the processor's cache. */
const keyWords = 3
const int32Max = 2 ** 31 - 1

/**
 * Deltas of objects with the same metrics: one typed array, open addressing, linear probing. 28 bytes an object of four
 * metrics; with the empty entries 8 to 16 bytes a counter.
 *
 * A delta that outgrows 32 bits goes to a map beside it, and is exact to 2^53 - 1. Costs O(1) an increment.
 */
export class DeltaTable {
  readonly #metrics: readonly string[]
  readonly #stride: number
  #words: Int32Array
  #capacity = capacityMin
  #used = 0
  /** Sums that outgrew their field, and ids whose time the words cannot hold: by id, then by metric. */
  #spilt = new Map<string, number[]>()

  constructor(metrics: readonly string[]) {
    this.#metrics = metrics
    this.#stride = keyWords + metrics.length
    this.#words = new Int32Array(this.#capacity * this.#stride)
  }

  /** Distinct objects; one that spilt may count twice. */
  get size(): number {
    return this.#used + this.#spilt.size
  }

  get bytes(): number {
    return this.#words.byteLength
  }

  /** Adds several metrics of one object. @throws as {@link DeltaTable.addTo}; nothing was added then. */
  addAll(
    object: string | Handle,
    deltas: readonly (readonly [metric: number, by: number])[],
  ): void {
    let done = 0
    try {
      for (const [metric, by] of deltas) {
        if (typeof object === 'string') this.addTo(object, metric, by)
        else this.add(object, metric, by)
        done += 1
      }
    } catch (error) {
      const undone = deltas.slice(0, done).map(([metric, by]) => [metric, -by] as const)
      this.addAll(object, undone)
      throw error
    }
  }

  /** @throws InvalidIdError, CounterOverflowError; nothing was added. */
  addTo(id: string, metric: number, by: number): void {
    parseWords(id)
    if (parsed.words) this.#add(parsed.a, parsed.b, parsed.c, metric, by)
    else this.#spill(id, metric, by)
  }

  /** As {@link addTo}, for an id that was parsed before. */
  add(handle: Handle, metric: number, by: number): void {
    if (handle.words) this.#add(handle.a, handle.b, handle.c, metric, by)
    else this.#spill(handle.id, metric, by)
  }

  // oxlint-disable-next-line max-params -- the hottest call of the package: an object of the five would be garbage.
  #add(a: number, b: number, c: number, metric: number, by: number): void {
    const at = this.#find(a, b, c)
    const words = this.#words
    if (words[at + 2] === 0) {
      words[at] = a
      words[at + 1] = b
      words[at + 2] = c
      this.#used += 1
    }
    const cell = at + keyWords + metric
    const sum = (words[cell] ?? 0) + by
    if (this.#spilt.size === 0 && sum <= int32Max && sum >= -int32Max) words[cell] = sum
    else this.#addLarge(cell, idOfWords(a, b, c), { metric, sum })
    if (this.#used * 8 > this.#capacity * 7) this.#grow()
  }

  /** Keeps `sum` in its field where it fits and nothing of the object has spilt; else beside the table. */
  #addLarge(
    cell: number,
    id: string,
    { metric, sum }: { readonly metric: number; readonly sum: number },
  ): void {
    const fits = Math.abs(sum) <= int32Max && !this.#spilt.has(id)
    if (!fits) this.#spill(id, metric, sum)
    this.#words[cell] = fits ? sum : 0
  }

  #spill(id: string, metric: number, by: number): void {
    const sums = this.#spilt.get(id) ?? this.#metrics.map(() => 0)
    const sum = (sums[metric] ?? 0) + by
    if (!Number.isSafeInteger(sum)) throw new CounterOverflowError(this.#metrics[metric] ?? '')
    sums[metric] = sum
    this.#spilt.set(id, sums)
  }

  /** Where the entry of the words is, or the empty one where it is to be. */
  #find(a: number, b: number, c: number): number {
    const mask = this.#capacity - 1
    const stride = this.#stride
    const words = this.#words
    let hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca77), 0xc2b2ae3d)
    hash ^= hash >>> 15
    for (let entry = hash & mask; ; entry = (entry + 1) & mask) {
      const at = entry * stride
      const mark = words[at + 2]
      if (mark === 0 || (mark === c && words[at + 1] === b && words[at] === a)) return at
    }
  }

  #grow(): void {
    const old = this.#words
    this.#capacity *= 2
    this.#words = new Int32Array(this.#capacity * this.#stride)
    for (let from = 0; from < old.length; from += this.#stride) {
      if (old[from + 2] === 0) continue
      const at = this.#find(old[from] ?? 0, old[from + 1] ?? 0, old[from + 2] ?? 0)
      this.#words.set(old.subarray(from, from + this.#stride), at)
    }
  }

  /** Every object with its deltas, one for each metric; objects whose deltas are all zero are left out. */
  *entries(): Generator<readonly [id: string, deltas: readonly number[]]> {
    const spilt = new Map(this.#spilt)
    for (let at = 0; at < this.#words.length; at += this.#stride) {
      const [a = 0, b = 0, c = 0, ...small] = this.#words.subarray(at, at + this.#stride)
      if (c === 0) continue
      const id = idOfWords(a, b, c)
      const more = spilt.get(id)
      spilt.delete(id)
      const deltas =
        more === undefined ? small : small.map((by, metric) => by + (more[metric] ?? 0))
      if (deltas.some((by) => by !== 0)) yield [id, deltas]
    }
    for (const entry of spilt) if (entry[1].some((by) => by !== 0)) yield entry
  }
}
