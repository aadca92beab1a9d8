import { byName, checkedNodes, type PlacementAlgorithm, type PlacementKey } from './algorithm.ts'
import { UnplaceableKeyError } from './faults.ts'

/**
 * Keys by a function of yours from a key to the name of a node; it is also given the names, in the order of the nodes.
 * It must be pure: `inline((day: number) => `logs_${day % 8}`)`. Weights count only as far as it knows them.
 *
 * A name that is no node's is refused when the key is placed.
 */
export function inline<K = PlacementKey>(
  choose: (key: K, names: readonly string[]) => string,
): PlacementAlgorithm<K> {
  return (nodes) => {
    const placed = byName(checkedNodes('inline', nodes))
    const names = [...placed.keys()]
    return (key) => {
      const name = choose(key, names)
      const node = placed.get(name)
      if (node === undefined)
        throw new UnplaceableKeyError('inline', key, `there is no node "${name}"`)
      return node
    }
  }
}
