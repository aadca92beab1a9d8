import { xxh32 } from '@stoa/kernel'

import {
  equalNodes,
  nodeAt,
  type PlacementAlgorithm,
  type PlacementKey,
  textOf,
} from './algorithm.ts'
import { UnplaceableKeyError } from './faults.ts'

/** A hash of text to an unsigned 32-bit number: `xxh32`, `murmur3`, `crc16`. */
export type Hash32 = (text: string) => number

/**
 * Whole numbers by their remainder, as the nodes are listed; never negative. Decimal text of any length counts as the
 * number that it spells.
 *
 * Nearly every key moves when a node comes or goes. O(1), O(digits) for text.
 */
export const modulo: PlacementAlgorithm = (nodes) => {
  const placed = equalNodes('modulo', nodes)
  return (key) => nodeAt(placed, remainder(key, placed.length))
}

/**
 * Keys by the remainder of their hash, as the nodes are listed.
 *
 * Nearly every key moves when a node comes or goes. O(bytes).
 */
export function hashModulo(hash: Hash32 = xxh32): PlacementAlgorithm {
  return (nodes) => {
    const placed = equalNodes('hash-modulo', nodes)
    return (key) => nodeAt(placed, hash(textOf('hash-modulo', key)) % placed.length)
  }
}

function remainder(key: PlacementKey, divisor: number): number {
  const [, sign = '', digits] = /^(-?)(\d+)$/.exec(textOf('modulo', key)) ?? []
  if (digits === undefined) throw new UnplaceableKeyError('modulo', key, 'it is no whole number')
  let rest = 0
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % divisor
  return sign === '-' && rest > 0 ? divisor - rest : rest
}
