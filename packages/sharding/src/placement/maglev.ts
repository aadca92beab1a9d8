import { xxh32 } from '@stoa/kernel'

import {
  checkedNodes,
  inNameOrder,
  nodeAt,
  type PlacementAlgorithm,
  textOf,
  weightOf,
} from './algorithm.ts'
import { InvalidPlacementError } from './faults.ts'

export type MaglevOptions = {
  /** Entries of the table, a prime: 65,537, of which 100 nodes and more get nearly equal parts. */
  readonly entries?: number
}

/**
 * Maglev hashing: the nodes take turns, each by its own order of preference, until a table is full; a key looks into
 * one entry of it. By weights, a node of half the weight takes every second turn.
 *
 * The evenest of all and O(1) a key, but when a node comes or goes a few keys move between others too (0.5 % at 64
 * nodes). The order of the nodes decides nothing. The table costs entries × ln(entries) steps and 2 bytes an entry.
 *
 * @see Eisenbud et al. 2016, "Maglev: a fast and reliable software network load balancer", §3.4
 */
export function maglev({ entries = 65_537 }: MaglevOptions = {}): PlacementAlgorithm {
  if (!isPrime(entries))
    throw new InvalidPlacementError('maglev', `${entries} entries: their number must be a prime`)
  return (nodes) => {
    const placed = inNameOrder(checkedNodes('maglev', nodes))
    if (placed.length > entries)
      throw new InvalidPlacementError('maglev', `${placed.length} nodes for ${entries} entries`)
    const table = populated(
      entries,
      placed.map(({ name }) => name),
      placed.map(weightOf),
    )
    return (key) => nodeAt(placed, table[xxh32(textOf('maglev', key)) % entries] ?? 0)
  }
}

function populated(
  entries: number,
  names: readonly string[],
  weights: readonly number[],
): Int32Array {
  const table = new Int32Array(entries).fill(-1)
  const heaviest = Math.max(...weights)
  const turns = names.map((name, index) => ({
    next: xxh32(name) % entries,
    skip: (xxh32(name, 1) % (entries - 1)) + 1,
    weight: weights[index] ?? 1,
    due: 0,
  }))
  for (let round = 1, filled = 0; ; round += 1) {
    for (const [index, turn] of turns.entries()) {
      if (round * turn.weight < turn.due) continue
      turn.due += heaviest
      while (table[turn.next] !== -1) turn.next = (turn.next + turn.skip) % entries
      table[turn.next] = index
      filled += 1
      if (filled === entries) return table
    }
  }
}

function isPrime(value: number): boolean {
  if (!Number.isInteger(value) || value < 2 || value > 2 ** 31) return false
  for (let divisor = 2; divisor * divisor <= value; divisor += 1) {
    if (value % divisor === 0) return false
  }
  return true
}
