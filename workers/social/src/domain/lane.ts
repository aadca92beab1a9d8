import { prefixOf, xxh32 } from '@stoa/kernel'

/**
 * The characters of lanes. An id has one of them where others have the first digit of their time, which comes to G
 * in the year 2527: so the lanes of an owner are ranges of keys with nothing else between them.
 */
const lanes = 'GHJKMNPQRSTVWXYZ'

/** The lane of `scope`, the same for each retry. */
export function laneOf(scope: string): string {
  return lanes.charAt(xxh32(scope) % lanes.length)
}

/** `id` in `lane`. Ids that differ stay different: the digit in the lane's place is the same for 34 years. */
export function inLane(id: string, lane: string): string {
  return `${prefixOf(id)}${lane}${id.slice(6)}`
}

/** The keys of everything in the lanes of the owner of `id`; where they are cut, they are cut between two lanes. */
export function lanesOf(id: string): { readonly from: string; readonly to: string } {
  const prefix = prefixOf(id)
  return { from: `${prefix}${lanes.charAt(0)}`, to: `${prefix}~` }
}
