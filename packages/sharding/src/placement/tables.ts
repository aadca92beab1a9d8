import { type RouteKey, slotCount, slotOfKey } from '@stoa/kernel'

import { equalNodes, nodeAt, type PlacementAlgorithm } from './algorithm.ts'
import { InvalidPlacementError } from './faults.ts'

/** One of the physical tables of the logical table `N`. */
export type PhysicalTable<N extends string> = `${N}_${number}`

/** A logical table that is kept as several physical ones in each database, all of one shape. */
export type ShardedTable<N extends string> = {
  readonly name: N
  /** `name_0` to `name_{count - 1}`. */
  readonly tables: readonly PhysicalTable<N>[]
  /**
   * The physical table that holds the rows of `key`: a slot, or a key that begins with one. O(1) by default.
   *
   * @throws InvalidIdError when the key does not begin with a slot.
   */
  tableOf(key: RouteKey): PhysicalTable<N>
}

export type ShardedTableOptions = {
  /** How many physical tables each database has. For ever: another number puts rows into other tables. */
  readonly count: number
  /** Places slots on tables: `slotBits()` unless said. */
  readonly by?: PlacementAlgorithm<number>
}

/** More tables in one database than this cost more, in schema and in statements to prepare, than smaller trees win. */
const tablesMax = 256

/**
 * Slots by the bits from `shift` on: the table of a slot is `(slot >> shift) & (count - 1)`. The count must be a power
 * of two.
 *
 * The bits must not be those by which databases are chosen, or tables stay empty: a map by remainder chooses by the
 * low bits, a map of contiguous ranges by the high ones. From bit 6 on, T tables are all in use with up to 256 / T
 * databases of contiguous ranges, or 64 by remainder; where there are to be more, place slots by `hashModulo()`.
 */
export function slotBits(shift = 6): PlacementAlgorithm<number> {
  return (nodes) => {
    const tables = equalNodes('slot bits', nodes)
    const count = tables.length
    if ((count & (count - 1)) !== 0 || count << shift > slotCount || shift < 0)
      throw new InvalidPlacementError(
        'slot bits',
        `${count} tables by the bits from ${shift} on: the count must be a power of two, and the bits among 14`,
      )
    return (slot) => nodeAt(tables, (slot >>> shift) & (count - 1))
  }
}

/**
 * Names the physical tables of `name` and says which of them holds a key, so that a schema is typed once for all.
 *
 * It adds no write concurrency, since a database has one writer: it buys smaller trees, a table that can be dropped as
 * a whole, and parallel export. All rows of a slot are in one table.
 *
 * @throws InvalidPlacementError when the count is not from 1 to 256, or the algorithm cannot place on that many.
 */
export function shardedTable<N extends string>(
  name: N,
  { count, by = slotBits() }: ShardedTableOptions,
): ShardedTable<N> {
  if (!Number.isInteger(count) || count < 1 || count > tablesMax)
    throw new InvalidPlacementError('tables', `${count} of them: there must be 1 to ${tablesMax}`)
  const tables = Array.from({ length: count }, (_, index) => ({
    name: `${name}_${index}` satisfies PhysicalTable<N>,
  }))
  const locate = by(tables)
  return {
    name,
    tables: tables.map((table) => table.name),
    tableOf: (key) => locate(slotOfKey(key)).name,
  }
}
