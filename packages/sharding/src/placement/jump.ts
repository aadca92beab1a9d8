import { multiply, type Wide } from '../hash/wide.ts'
import { type Hash64, xxh64 } from '../hash/xxh64.ts'
import { equalNodes, nodeAt, type PlacementAlgorithm, textOf } from './algorithm.ts'

const factor: Hash64 = { hi: 0x27bb2ee6, lo: 0x87b0b0fd }

/**
 * Jump consistent hashing: 1/n of the keys move when a node is *appended* to n - 1, and only to it. A node can leave
 * only at the end: taking one out of the middle renumbers those behind it.
 *
 * No memory; about ln n steps, each on 32-bit halves (BigInt costs seven times as much).
 *
 * @see Lamping and Veach 2014, "A fast, minimal memory, consistent hash algorithm", arXiv 1406.2294
 */
export const jump: PlacementAlgorithm = (nodes) => {
  const placed = equalNodes('jump', nodes)
  return (key) => nodeAt(placed, jumpBucket(xxh64(textOf('jump', key)), placed.length))
}

/** The bucket, 0 to `buckets` - 1, in which jump consistent hashing puts a 64-bit key. `buckets` is at least 1. */
export function jumpBucket(key: Hash64, buckets: number): number {
  const state: Wide = { hi: key.hi, lo: key.lo }
  let bucket = 0
  for (let next = 0; next < buckets;) {
    bucket = next
    multiply(state, factor)
    state.lo = (state.lo + 1) | 0
    if (state.lo === 0) state.hi = (state.hi + 1) | 0
    next = Math.floor((bucket + 1) * (2 ** 31 / ((state.hi >>> 1) + 1)))
  }
  return bucket
}
