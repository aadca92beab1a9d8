/** A binary heap: the least first, by `isBefore`, which must be a total order for runs to repeat. */
export class Heap<T> {
  readonly #items: T[] = []
  readonly #isBefore: (a: T, b: T) => boolean

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  get size(): number {
    return this.#items.length
  }

  push(item: T): void {
    let at = this.#items.length
    this.#items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = this.#items[parent]
      if (above === undefined || !this.#isBefore(item, above)) break
      this.#items[at] = above
      at = parent
    }
    this.#items[at] = item
  }

  pop(): T | undefined {
    const [least] = this.#items
    const last = this.#items.pop()
    if (last !== undefined && this.#items.length > 0) this.#sink(last)
    return least
  }

  /** Puts `item` at the top and lets it sink to its place. */
  #sink(item: T): void {
    let at = 0
    for (;;) {
      const child = this.#lesserChild(at)
      const below = this.#items[child]
      if (below === undefined || !this.#isBefore(below, item)) break
      this.#items[at] = below
      at = child
    }
    this.#items[at] = item
  }

  #lesserChild(parent: number): number {
    const left = parent * 2 + 1
    const [one, other] = [this.#items[left], this.#items[left + 1]]
    return one !== undefined && other !== undefined && this.#isBefore(other, one) ? left + 1 : left
  }
}
