import type { Bytes } from '../bytes.ts'

export type Scored = { readonly member: Bytes; readonly score: number }

/** Members ordered by score, then by bytes. Add and remove cost a binary search and a shift of the tail. */
export class SortedSet {
  readonly #scores = new Map<Bytes, number>()
  readonly #order: Scored[] = []

  constructor(entries: Iterable<Scored> = []) {
    for (const { member, score } of entries) this.set(member, score)
  }

  get size(): number {
    return this.#order.length
  }

  entries(): readonly Scored[] {
    return this.#order
  }

  score(member: Bytes): number | undefined {
    return this.#scores.get(member)
  }

  /** A negative zero is kept as zero, as Redis keeps it. */
  set(member: Bytes, given: number): void {
    const score = given === 0 ? 0 : given
    const before = this.#scores.get(member)
    if (before === score) return
    if (before !== undefined) this.#order.splice(this.#position(member, before), 1)
    this.#scores.set(member, score)
    this.#order.splice(this.#position(member, score), 0, { member, score })
  }

  delete(member: Bytes): boolean {
    const score = this.#scores.get(member)
    if (score === undefined) return false
    this.#order.splice(this.#position(member, score), 1)
    return this.#scores.delete(member)
  }

  rank(member: Bytes): number | undefined {
    const score = this.#scores.get(member)
    return score === undefined ? undefined : this.#position(member, score)
  }

  /** The index of the first entry for which `reached` holds; it must hold for every later one. */
  lowerBound(reached: (entry: Scored) => boolean): number {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.#order[middle]
      if (entry !== undefined && reached(entry)) high = middle
      else low = middle + 1
    }
    return low
  }

  #position(member: Bytes, score: number): number {
    return this.lowerBound(
      (entry) => entry.score > score || (entry.score === score && entry.member >= member),
    )
  }
}
