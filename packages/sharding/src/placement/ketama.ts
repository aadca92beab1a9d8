import { md5 } from '../hash/md5.ts'
import { utf8 } from '../hash/utf8.ts'
import {
  checkedNodes,
  nodeAt,
  type PlacementAlgorithm,
  type PlacementNode,
  textOf,
  weightOf,
} from './algorithm.ts'
import { InvalidPlacementError } from './faults.ts'

export type KetamaOptions = {
  /** Digests for each node of average weight: 40, as libketama has it. */
  readonly digests?: number
  /** Points made of each digest, 1 to 4: 4, as libketama has it; 3 is what Python's hash_ring makes. */
  readonly pointsPerDigest?: number
}

type Point<N> = { readonly point: number; readonly node: N }

/**
 * A ring of MD5 points, exactly as libketama makes it from names `address:port` and their memory as weight: for keys
 * that memcached clients have placed.
 *
 * When a node comes or goes, about its part of the keys moves, to it or from it. Uneven: of 64 nodes the fullest has
 * about 1.17 times the average. O(log points) and one MD5 a key; a node whose weight is below 1/40 of the average gets
 * no point.
 *
 * @see Jones 2007, libketama; https://github.com/RJ/ketama
 */
export function ketama(options: KetamaOptions = {}): PlacementAlgorithm {
  const { digests = 40, pointsPerDigest = 4 } = options
  if (!Number.isInteger(digests) || digests < 1 || ![1, 2, 3, 4].includes(pointsPerDigest))
    throw new InvalidPlacementError('ketama', `${digests} digests of ${pointsPerDigest} points`)
  return (nodes) => {
    const find = ketamaRing(checkedNodes('ketama', nodes), { digests, pointsPerDigest })
    return (key) => find(hashOf(textOf('ketama', key))).node
  }
}

/** The hash of a key that is looked for on a ring. */
export function hashOf(key: string): number {
  return md5(utf8(key))[0] ?? 0
}

/** The ring of {@link ketama}: from a hash to the first point that is not below it, and the node of that point. */
export function ketamaRing<N extends PlacementNode>(
  nodes: readonly N[],
  { digests, pointsPerDigest }: Required<KetamaOptions>,
): (hash: number) => Point<N> {
  const total = Math.fround(nodes.reduce((sum, node) => sum + weightOf(node), 0))
  const ring: Point<N>[] = []
  for (const node of nodes) {
    // libketama computes the part in single precision, and with it the number of points.
    const part = Math.fround(Math.fround(weightOf(node)) / total)
    const count = Math.floor(Math.fround(part * digests * nodes.length))
    for (let index = 0; index < count; index += 1) {
      const words = md5(utf8(`${node.name}-${index}`)).subarray(0, pointsPerDigest)
      for (const point of words) ring.push({ point, node })
    }
  }
  ring.sort((one, other) => one.point - other.point)
  const points = Uint32Array.from(ring, ({ point }) => point)
  return (hash) => nodeAt(ring, firstFrom(points, hash) % ring.length)
}

/** The index of the first of ascending `points` that is `hash` or above; their number when there is none. */
function firstFrom(points: Uint32Array, hash: number): number {
  let low = 0
  let high = points.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((points[middle] ?? 0) < hash) low = middle + 1
    else high = middle
  }
  return low
}
