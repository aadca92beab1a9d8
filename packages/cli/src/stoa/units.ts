import { defaultLimits, type MoveScope, scopesOf } from '@stoa/resharding'
import type { Keyspace } from '@stoa/sharding'

import { BadCommandError } from './faults.ts'
import { slotsText } from './ranges.ts'
import type { Step, Waves, Wish } from './wish.ts'

/** The option by which a plan keeps groups of slots whole. */
export function unitOf({ unit }: Pick<Keyspace, 'unit'>): { readonly unit?: number } {
  return unit === undefined ? {} : { unit }
}

/** The slots that lack others of their group. */
function strayOf(slots: readonly number[], unit: number): readonly number[] {
  const groups = Map.groupBy(slots, (slot) => Math.floor(slot / unit))
  return [...groups.values()].filter((group) => group.length < unit).flat()
}

/**
 * Makes sure that a keyspace whose slots lie in groups is moved in whole groups: what lies in the first slot of one
 * belongs to all of them.
 *
 * @throws BadCommandError
 */
export function requireWhole(
  { verb, keyspace: name }: Pick<Wish, 'verb' | 'keyspace'>,
  { unit = 1 }: Pick<Keyspace, 'unit'>,
  waves: Waves,
): void {
  if (unit === 1) return
  for (const { scope } of waves.flat()) {
    if (scope.kind === 'range')
      throw new BadCommandError(
        `Cannot ${verb} "${scope.lo}": keyspace "${name}" moves in whole groups of ${unit} slots`,
      )
    const stray = strayOf(scope.slots, unit)
    if (stray.length > 0)
      throw new BadCommandError(
        `Cannot ${verb} slots ${slotsText(stray)}: keyspace "${name}" moves in whole groups of ${unit} slots, from a multiple of it`,
      )
  }
}

/** What the moves of a step take, each as many slots as are frozen together, in whole groups. */
export function scopesOfStep(
  { scope }: Step,
  { unit = 1 }: Pick<Keyspace, 'unit'>,
): readonly MoveScope[] {
  if (scope.kind === 'range') return [scope]
  return scopesOf(scope.slots, Math.max(unit, defaultLimits.slots))
}
