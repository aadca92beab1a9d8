import {
  byName,
  checkedNodes,
  nodeAt,
  type PlacementAlgorithm,
  type PlacementKey,
} from './algorithm.ts'
import { InvalidPlacementError } from './faults.ts'
import { comparable, compareKeys, rangeOf, typeOfBoundaries } from './ordered.ts'

/** Keys `from <= key < below` on one node; without `from` or `below` it is open on that side. */
export type NamedRange<K> = { readonly from?: K; readonly below?: K; readonly node: string }

const algorithm = 'named range'

/**
 * Keys by two or more ranges that name their node, in any order; a node may have several. They must hold every key, and
 * each once. Numbers compare as numbers, text as SQLite compares it. Weights count for nothing. O(log ranges).
 *
 * @throws InvalidPlacementError when two ranges overlap, a key is in none, or a node is unknown.
 */
export function namedRange(ranges: readonly NamedRange<number>[]): PlacementAlgorithm<number>
export function namedRange(ranges: readonly NamedRange<string>[]): PlacementAlgorithm<string>
export function namedRange(ranges: readonly NamedRange<PlacementKey>[]): PlacementAlgorithm {
  const type = typeOfEnds(ranges)
  const ascending = ranges.toSorted((one, other) => order(one.from, other.from))
  const boundaries = ascending
    .slice(1)
    .map((range, index) => boundaryBetween(nodeAt(ascending, index), range))
  if (ascending[0]?.from !== undefined || ascending.at(-1)?.below !== undefined)
    throw new InvalidPlacementError(algorithm, 'the lowest or the highest keys are in no range')
  typeOfBoundaries(algorithm, boundaries)
  return (nodes) => {
    const names = byName(checkedNodes(algorithm, nodes))
    const owners = ascending.map(({ node }) => {
      const owner = names.get(node)
      if (owner === undefined)
        throw new InvalidPlacementError(algorithm, `node "${node}" is unknown`)
      return owner
    })
    return (key) => nodeAt(owners, rangeOf(boundaries, comparable(algorithm, key, type)))
  }
}

/** The type of every `from` and `below`. */
function typeOfEnds(ranges: readonly NamedRange<PlacementKey>[]): 'number' | 'string' {
  const ends = ranges.flatMap(({ from, below }) => [from, below]).filter((end) => end !== undefined)
  const type = typeof ends[0] === 'number' ? 'number' : 'string'
  if (ends.length === 0) throw new InvalidPlacementError(algorithm, 'no range ends anywhere')
  if (ends.some((end) => typeof end !== type))
    throw new InvalidPlacementError(algorithm, 'the ends are partly numbers, partly text')
  return type
}

/** By `from`; what is open below comes first. */
function order(one: PlacementKey | undefined, other: PlacementKey | undefined): number {
  if (one === undefined || other === undefined)
    return (one === undefined ? 0 : 1) - (other === undefined ? 0 : 1)
  return compareKeys(one, other)
}

/** The key at which `one` ends and `other` begins. */
function boundaryBetween(
  one: NamedRange<PlacementKey>,
  other: NamedRange<PlacementKey>,
): PlacementKey {
  const between = `the ranges of "${one.node}" and "${other.node}"`
  if (one.below === undefined || other.from === undefined)
    throw new InvalidPlacementError(algorithm, `${between} overlap`)
  const gap = compareKeys(other.from, one.below)
  if (gap !== 0)
    throw new InvalidPlacementError(
      algorithm,
      gap < 0 ? `${between} overlap` : `there are keys between ${between}`,
    )
  return one.below
}
