/**
 * The keys used most, in bounded memory: any key with more than N/m of N uses is among the m counted. A count is at
 * most its `error` too high, and never too low. O(1) for a counted key, O(m) for another when full.
 *
 * @see Metwally, Agrawal and El Abbadi 2005, "Efficient Computation of Frequent and Top-k Elements in Data Streams"
 */
export class SpaceSaving {
  readonly #capacity: number
  readonly #counters = new Map<string, Counter>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Counts `weight` uses of `key`; gives the uses it surely had. */
  add(key: string, weight = 1): number {
    const known = this.#counters.get(key)
    if (known !== undefined) {
      known.count += weight
      return known.count - known.error
    }
    let error = 0
    if (this.#counters.size >= this.#capacity) {
      const [least, { count }] = this.#least()
      this.#counters.delete(least)
      error = count
    }
    this.#counters.set(key, { count: error + weight, error })
    return weight
  }

  /** All counted keys, most used first. */
  top(): readonly { readonly key: string; readonly count: number; readonly error: number }[] {
    return [...this.#counters]
      .map(([key, counter]) => ({ key, ...counter }))
      .toSorted((a, b) => b.count - a.count)
  }

  clear(): void {
    this.#counters.clear()
  }

  #least(): readonly [string, Counter] {
    let found: readonly [string, Counter] = ['', { count: Infinity, error: 0 }]
    for (const each of this.#counters) if (each[1].count < found[1].count) found = each
    return found
  }
}

type Counter = { count: number; error: number }
