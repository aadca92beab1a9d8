import type { Counting } from '@stoa/counting'
import type { Call } from '@stoa/kernel'

import type { KindName } from './kinds.ts'
import type { Counters } from './ports.ts'

export type Stats = {
  readonly counts: Readonly<Record<string, number>>
  readonly asOf: number
  readonly staleMsMax: number
  readonly saturated: readonly string[]
}

/** What was reported of `subjects` and what their events raised, in their order; what never was is absent, never 0. */
export async function readStats(
  { counting, counters }: { readonly counting: Counting; readonly counters: Counters },
  { kind, subjects }: { readonly kind: KindName; readonly subjects: readonly string[] },
  call: Call,
): Promise<readonly Stats[]> {
  const [reported, raised] = await Promise.all([
    counting.readMany(kind, subjects, call),
    counters.getMany(subjects, call),
  ])
  return reported.map(({ values, asOf, staleMsMax, saturated }, index) => {
    const counted = Object.entries(values).filter(([, value]) => value > 0)
    const counts = { ...Object.fromEntries(counted), ...raised[index] }
    return { counts, asOf, staleMsMax, saturated }
  })
}
