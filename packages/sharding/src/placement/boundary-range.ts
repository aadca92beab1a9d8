import { checkedNodes, nodeAt, type PlacementAlgorithm, type PlacementKey } from './algorithm.ts'
import { InvalidPlacementError } from './faults.ts'
import { comparable, rangeOf, typeOfBoundaries } from './ordered.ts'

/**
 * Keys by the ranges between ascending `boundaries`: the first node has what is below the first boundary, each next
 * one what is from its boundary to below the next, the last what is left. One node more than boundaries; at least one
 * boundary. Numbers compare as numbers, text as SQLite compares it. O(log boundaries).
 *
 * Weights count for nothing: the boundaries say how much each node has.
 *
 * @throws InvalidPlacementError when the boundaries do not ascend, or are of two types.
 */
export function boundaryRange(boundaries: readonly number[]): PlacementAlgorithm<number>
export function boundaryRange(boundaries: readonly string[]): PlacementAlgorithm<string>
export function boundaryRange(boundaries: readonly PlacementKey[]): PlacementAlgorithm {
  return ranged('boundary range', boundaries)
}

/** What every algorithm of ranges comes down to. @see {@link boundaryRange} */
export function ranged(algorithm: string, boundaries: readonly PlacementKey[]): PlacementAlgorithm {
  if (boundaries.length === 0) throw new InvalidPlacementError(algorithm, 'there are no boundaries')
  const type = typeOfBoundaries(algorithm, boundaries)
  const ascending = [...boundaries]
  return (nodes) => {
    const placed = checkedNodes(algorithm, nodes)
    if (placed.length !== ascending.length + 1)
      throw new InvalidPlacementError(
        algorithm,
        `${ascending.length + 1} ranges for ${placed.length} nodes`,
      )
    return (key) => nodeAt(placed, rangeOf(ascending, comparable(algorithm, key, type)))
  }
}
