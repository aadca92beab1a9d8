import { stats } from '@stoa/contracts/stats'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { idOf } from './subjects.ts'

/** What the reconciler asks for. */
export function serveRepairs(
  service: Service,
  { counting, repairs }: Pick<Deps, 'counting' | 'repairs'>,
): void {
  service.serve(stats.recountPosts, async ({ body: { member, events, ...counts } }, { call }) => {
    const recount = {
      ...counts,
      member: parseTypedId('usr', member),
      events: events.map((event) => parseTypedId('evt', event)),
    }
    return { isChanged: await repairs.recount(recount, call) }
  })

  service.serve(stats.refillHotView, async ({ body: { kind, subject, shown } }, { call }) => {
    const id = idOf({ kind, subject })
    await repairs.forget({ kind, id, text: shown }, call)
    await counting.read(kind, id, call)
    return undefined
  })
}
