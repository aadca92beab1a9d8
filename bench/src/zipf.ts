import type { Random } from '@stoa/kernel'

/** Draws ranks 0 to `keys - 1`, the r-th with a chance in proportion to 1 / r^skew. */
export function zipf(keys: number, skew: number, random: Random): () => number {
  const sums = new Float64Array(keys)
  let sum = 0
  for (let at = 0; at < keys; at += 1) {
    sum += 1 / (at + 1) ** skew
    sums[at] = sum
  }
  return () => {
    const wanted = (random.uint32() / 2 ** 32) * sum
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sums[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
