import { InvalidPlacementError, UnplaceableKeyError } from './faults.ts'

/** What keys are placed on: a database, or a table inside one. The weight is its part of the keys, 1 unless said. */
export type PlacementNode = { readonly name: string; readonly weight?: number }

/** What is placed: a slot, a number, a text. */
export type PlacementKey = number | string

/**
 * A way to place keys `K` on nodes: given the nodes, a function from a key to one of them. Pure: the same nodes and
 * the same key give the same node, in every isolate and for ever.
 *
 * It only *generates* a map of slots or chooses a table; where a slot is at run time, the topology says.
 *
 * @throws InvalidPlacementError when given nodes that it cannot place on; the function throws UnplaceableKeyError for
 *   a key that it has no node for.
 */
export type PlacementAlgorithm<K = PlacementKey> = <N extends PlacementNode>(
  nodes: readonly N[],
) => (key: K) => N

/** Weights may be bytes of memory or parts of one; beyond these bounds their sums and ratios would not be exact. */
const weightMin = 1e-9
const weightMax = 1e15

/**
 * `nodes`, when they can be placed on.
 *
 * @throws InvalidPlacementError when there is none, two have one name, or a weight is not a number above 0 (from 1e-9
 *   to 1e15).
 */
export function checkedNodes<N extends PlacementNode>(
  algorithm: string,
  nodes: readonly N[],
): readonly N[] {
  if (nodes.length === 0) throw new InvalidPlacementError(algorithm, 'there are no nodes')
  const names = new Set<string>()
  for (const node of nodes) {
    if (names.has(node.name))
      throw new InvalidPlacementError(algorithm, `there are two nodes "${node.name}"`)
    names.add(node.name)
    const weight = weightOf(node)
    if (!(weight >= weightMin && weight <= weightMax))
      throw new InvalidPlacementError(algorithm, `node "${node.name}" has the weight ${weight}`)
  }
  return nodes
}

/** As {@link checkedNodes}, for an algorithm that knows no weights: nodes that differ in theirs are refused. */
export function equalNodes<N extends PlacementNode>(
  algorithm: string,
  nodes: readonly N[],
): readonly N[] {
  const [first, ...others] = checkedNodes(algorithm, nodes)
  const other = others.find((node) => first !== undefined && weightOf(node) !== weightOf(first))
  if (other !== undefined)
    throw new InvalidPlacementError(
      algorithm,
      `it knows no weights, and "${other.name}" has another`,
    )
  return nodes
}

export function weightOf({ weight = 1 }: PlacementNode): number {
  return weight
}

/** `nodes[index]`, which is there: every caller has computed `index` from `nodes.length`. */
export function nodeAt<N>(nodes: readonly N[], index: number): N {
  const node = nodes[index]
  if (node === undefined) throw new RangeError(`There is no node ${index} of ${nodes.length}`)
  return node
}

/** `nodes` by their names. */
export function byName<N extends PlacementNode>(nodes: readonly N[]): ReadonlyMap<string, N> {
  return new Map(nodes.map((node) => [node.name, node]))
}

/** `nodes` in the order of their names, so that the order of a list decides nothing. */
export function inNameOrder<N extends PlacementNode>(nodes: readonly N[]): readonly N[] {
  return nodes.toSorted((one, other) => (one.name < other.name ? -1 : 1))
}

/**
 * `key` as the text that is hashed: a number as its decimal digits, so that a key read as text goes where the number
 * went.
 *
 * @throws UnplaceableKeyError for a number that is not whole, or beyond 2^53.
 */
export function textOf(algorithm: string, key: PlacementKey): string {
  if (typeof key === 'string') return key
  if (!Number.isSafeInteger(key))
    throw new UnplaceableKeyError(algorithm, key, 'a number that is hashed must be whole')
  return String(key)
}
