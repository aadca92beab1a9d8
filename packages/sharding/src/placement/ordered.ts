import type { PlacementKey } from './algorithm.ts'
import { InvalidPlacementError, UnplaceableKeyError } from './faults.ts'

/** Negative when `one` comes before `other`. Texts compare as their UTF-8 bytes do, which is how SQLite orders them. */
export function compareKeys(one: PlacementKey, other: PlacementKey): number {
  if (typeof one === 'number' || typeof other === 'number') return Number(one) - Number(other)
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at += 1) {
    const [left, right] = [one.charCodeAt(at), other.charCodeAt(at)]
    if (left !== right) return rank(left) - rank(right)
  }
  return one.length - other.length
}

/** UTF-16 has the surrogates, which spell the highest characters, below the last of the others; UTF-8 has not. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** The number of ascending `boundaries` that are `key` or below it: the index of the half-open range that holds it. */
export function rangeOf(boundaries: readonly PlacementKey[], key: PlacementKey): number {
  let low = 0
  let high = boundaries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const boundary = boundaries[middle]
    if (boundary !== undefined && compareKeys(boundary, key) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The type that all `boundaries` have.
 *
 * @throws InvalidPlacementError when they are of two types, not finite, or do not ascend.
 */
export function typeOfBoundaries(
  algorithm: string,
  boundaries: readonly PlacementKey[],
): 'number' | 'string' {
  const type = typeof boundaries[0] === 'number' ? 'number' : 'string'
  for (const [index, boundary] of boundaries.entries()) {
    const before = boundaries[index - 1]
    if (typeof boundary !== type)
      throw new InvalidPlacementError(algorithm, 'the boundaries are partly numbers, partly text')
    if (type === 'number' && !Number.isFinite(boundary))
      throw new InvalidPlacementError(algorithm, `${boundary} bounds nothing`)
    if (before !== undefined && compareKeys(before, boundary) >= 0)
      throw new InvalidPlacementError(
        algorithm,
        `${JSON.stringify(boundary)} does not come after ${JSON.stringify(before)}`,
      )
  }
  return type
}

/**
 * `key`, when it can be compared with boundaries of `type`.
 *
 * @throws UnplaceableKeyError when it is of another type, or not a number.
 */
export function comparable(
  algorithm: string,
  key: PlacementKey,
  type: 'number' | 'string',
): PlacementKey {
  if (typeof key !== type || Number.isNaN(key))
    throw new UnplaceableKeyError(algorithm, key, `the boundaries are of the type ${type}`)
  return key
}
