import type { Call } from '@stoa/kernel'

import type { Side } from './entry.ts'
import type { Group } from './match.ts'

/** From when a comparison looks, and how far it may trust what it sees. */
export type Look = {
  /** What changed after this time on any side may be under way to another, and is not judged. */
  readonly horizon: number
  /** Up to when each side is complete, in the order of the sides. */
  readonly watermarks: readonly number[]
  readonly now: number
}

/**
 * The two-sided watermark: `settleMs` before the side that is furthest behind. Ask before anything is read: what comes
 * into a side in the meantime is then young. One wave of round trips.
 */
export async function lookAt(
  { sides, settleMs }: { readonly sides: readonly Side[]; readonly settleMs: number },
  now: number,
  call: Call,
): Promise<Look> {
  const watermarks = await Promise.all(sides.map((side) => side.watermark(call)))
  return { horizon: Math.min(now, ...watermarks) - settleMs, watermarks, now }
}

/** Nothing of the group has changed so lately that another side may not know it yet. */
export function isSettled({ entries }: Group, { horizon }: Look): boolean {
  return entries.every((side) => side.every(({ at }) => at <= horizon))
}
