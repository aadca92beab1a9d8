import {
  byName,
  checkedNodes,
  type PlacementAlgorithm,
  type PlacementKey,
  textOf,
} from './algorithm.ts'
import { InvalidPlacementError, UnplaceableKeyError } from './faults.ts'

export type DirectoryOptions = {
  /** Places the keys that have no entry; without it they are refused. */
  readonly otherwise?: PlacementAlgorithm
}

/**
 * Keys by a list that names the node of each: large customers, regions. A number and its digits are one key. O(1).
 *
 * @throws InvalidPlacementError when an entry names a node that is not there.
 */
export function directory(
  entries: Readonly<Record<string, string>>,
  { otherwise }: DirectoryOptions = {},
): PlacementAlgorithm {
  const listed = Object.entries(entries)
  return (nodes) => {
    const names = byName(checkedNodes('directory', nodes))
    const rest = otherwise?.(nodes)
    const owners = new Map(
      listed.map(([key, name]) => {
        const node = names.get(name)
        if (node === undefined)
          throw new InvalidPlacementError('directory', `node "${name}" of key "${key}" is unknown`)
        return [key, node]
      }),
    )
    return (key: PlacementKey) => {
      const owner = owners.get(textOf('directory', key)) ?? rest?.(key)
      if (owner === undefined) throw new UnplaceableKeyError('directory', key, 'it is not listed')
      return owner
    }
  }
}
