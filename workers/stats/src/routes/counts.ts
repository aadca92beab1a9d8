import { stats } from '@stoa/contracts/stats'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'

/** The typed ids of each kind: the two must agree, or the same 20 characters would have two names. */
const prefixes = { member: 'usr', product: 'prd' } as const

export function serveCounts(service: Service, { counters }: Deps): void {
  service.serve(stats.getStats, async ({ params: { kind, subject } }, { call }) => ({
    counts: { ...(await counters.get(parseTypedId(prefixes[kind], subject), call)) },
  }))
}
