import { mix32 } from '../hash/murmur3.ts'
import { type Hash64, xxh64 } from '../hash/xxh64.ts'
import {
  checkedNodes,
  inNameOrder,
  nodeAt,
  type PlacementAlgorithm,
  textOf,
  weightOf,
} from './algorithm.ts'

/**
 * Weighted rendezvous hashing: of all nodes the one that draws the highest lot for the key, each lot weighted.
 *
 * When a node comes or goes, or its weight changes, only keys to it or from it move: on average exactly its part.
 * The order of the nodes decides nothing. O(nodes) a key: past some hundred nodes make a slot map of it.
 *
 * @see Thaler and Ravishankar 1998, "Using name-based mappings to increase hit rates"
 * @see Schindelhauer and Schomaker 2005, "Weighted distributed hash tables" (logarithmic weights)
 */
export const rendezvous: PlacementAlgorithm = (nodes) => {
  const placed = inNameOrder(checkedNodes('rendezvous', nodes))
  const drawers = placed.map((node) => ({ seed: xxh64(node.name), weight: weightOf(node) }))
  return (key) => {
    const hash = xxh64(textOf('rendezvous', key))
    let best = 0
    let highest = -Infinity
    for (const [index, { seed, weight }] of drawers.entries()) {
      const lot = weight / -Math.log(uniform(hash, seed))
      if (lot > highest) {
        best = index
        highest = lot
      }
    }
    return nodeAt(placed, best)
  }
}

/** A number above 0 and below 1 that key and node determine together, of 52 even bits. */
function uniform(key: Hash64, seed: Hash64): number {
  const low = mix32(key.lo ^ seed.lo)
  const high = mix32(key.hi ^ seed.hi ^ low)
  return (high * 2 ** 20 + (low >>> 12) + 0.5) / 2 ** 52
}
