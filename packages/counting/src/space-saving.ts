/** A summary of a stream: no item's count is below the truth, and none above it by more than its error. */
export type Summary = {
  /** An item that is not listed was heard at most this often; 0 while every item is listed. */
  readonly floor: number
  /** Item, count, error: the truth is from count - error to count. The largest first. */
  readonly items: readonly (readonly [item: string, count: number, error: number])[]
}

/**
 * Space-Saving: the heaviest items of a stream in `size` entries, whatever the number of items.
 *
 * Of a stream of N, no count errs by more than N / size, and every item heard more often than that is listed. Costs
 * O(1) for a listed item and O(size) for another.
 *
 * @see Metwally, Agrawal and El Abbadi 2005, "Efficient Computation of Frequent and Top-k Elements in Data Streams"
 */
export class SpaceSaving {
  readonly #size: number
  readonly #entries = new Map<string, { count: number; error: number }>()
  #total = 0

  /** @throws RangeError when `size` is no whole number above 0. */
  constructor(size: number) {
    if (!Number.isSafeInteger(size) || size < 1)
      throw new RangeError(`Cannot keep ${size} items: it must be a whole number above 0`)
    this.#size = size
  }

  /** The length of the stream so far. */
  get total(): number {
    return this.#total
  }

  add(item: string, by = 1): void {
    this.#total += by
    const known = this.#entries.get(item)
    if (known !== undefined) {
      known.count += by
      return
    }
    if (this.#entries.size < this.#size) {
      this.#entries.set(item, { count: by, error: 0 })
      return
    }
    let least: string | undefined
    let floor = Infinity
    for (const [name, { count }] of this.#entries) {
      if (count >= floor) continue
      least = name
      floor = count
    }
    if (least !== undefined) this.#entries.delete(least)
    this.#entries.set(item, { count: floor + by, error: floor })
  }

  summary(): Summary {
    const items = [...this.#entries].map(
      ([item, { count, error }]) => [item, count, error] as const,
    )
    const sorted = items.toSorted(byCount)
    return { floor: sorted.length < this.#size ? 0 : (sorted.at(-1)?.[1] ?? 0), items: sorted }
  }
}

function byCount(a: Summary['items'][number], b: Summary['items'][number]): number {
  return b[1] - a[1] || (a[0] < b[0] ? -1 : 1)
}

/**
 * The summary of several streams together, of at most `size` items. What a summary does not list may have been heard
 * there as often as its floor; so no count falls below the truth, and no error passes N / size.
 *
 * @see Agarwal, Cormode, Huang, Phillips, Wei and Yi 2012, "Mergeable Summaries"
 */
export function mergeSummaries(summaries: readonly Summary[], size: number): Summary {
  const floors = summaries.reduce((sum, { floor }) => sum + floor, 0)
  const merged = new Map<string, { count: number; error: number }>()
  for (const { floor, items } of summaries) {
    for (const [item, count, error] of items) {
      const known = merged.get(item) ?? { count: floors, error: floors }
      merged.set(item, { count: known.count + count - floor, error: known.error + error - floor })
    }
  }
  const items = [...merged].map(([item, { count, error }]) => [item, count, error] as const)
  const kept = items.toSorted(byCount).slice(0, size)
  const isWhole = items.length <= size
  return { floor: isWhole ? floors : Math.max(floors, kept.at(-1)?.[1] ?? 0), items: kept }
}
