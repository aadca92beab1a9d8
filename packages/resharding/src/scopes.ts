import type { MoveScope } from './job.ts'
import { defaultLimits } from './options.ts'

/**
 * What the moves of many slots take, in the order of the slots: as few moves as `size` allows, each of which freezes
 * its own slots alone. Give `size` when a keyspace's slots lie in whole groups of more than that. O(n log n).
 */
export function scopesOf(
  slots: readonly number[],
  size: number = defaultLimits.slots,
): readonly MoveScope[] {
  const sorted = slots.toSorted((one, other) => one - other)
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, index) => ({
    kind: 'slots',
    slots: sorted.slice(index * size, (index + 1) * size),
  }))
}
