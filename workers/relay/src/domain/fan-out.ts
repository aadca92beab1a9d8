import type { SqlShard } from '@stoa/kernel'

/**
 * The most databases that one invocation works on: each may take some fifty requests, and an invocation may make 10,000.
 */
export const databasesMax = 200

/**
 * Databases `from <= name < to`, in the order of their names; an end that is `null` is open. So each database is in
 * exactly one range, also one that comes or goes between the tick and its wake-ups.
 */
export type Range = { readonly from: string | null; readonly to: string | null }

/** Cuts the databases into ranges of at most 200, as few as can be. */
export function rangesOf(names: readonly string[]): readonly Range[] {
  const sorted = [...new Set(names)].toSorted()
  const starts = sorted.filter((_name, index) => index > 0 && index % databasesMax === 0)
  return [null, ...starts].map((from, index) => ({ from, to: starts[index] ?? null }))
}

export function inRange(shards: readonly SqlShard[], { from, to }: Range): readonly SqlShard[] {
  return shards.filter(({ name }) => (from === null || name >= from) && (to === null || name < to))
}
