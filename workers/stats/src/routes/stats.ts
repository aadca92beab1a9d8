import { stats } from '@stoa/contracts/stats'
import type { Service } from '@stoa/http'

import type { Deps } from '../deps.ts'
import { drainCounts } from '../domain/drain.ts'
import { readStats, type Stats } from '../domain/read-stats.ts'
import { idOf } from './subjects.ts'

function present({ counts, asOf, staleMsMax, saturated }: Stats) {
  return {
    counts: { ...counts },
    asOf: new Date(asOf).toISOString(),
    staleMsMax,
    // Counts are exact; they may only be of a while ago.
    errorMax: 0 as const,
    saturated: [...saturated],
  }
}

export function serveStats(service: Service, deps: Deps): void {
  service.serve(stats.getStats, async ({ params }, { call }) => {
    const subjects = [idOf(params)]
    const [found] = await readStats(deps, { kind: params.kind, subjects }, call)
    if (found === undefined) throw new Error('Cannot read what was counted: there was no answer')
    return present(found)
  })
  service.serve(stats.getManyStats, async ({ params: { kind }, query }, { call }) => {
    const subjects = query.subjects.map((subject) => idOf({ kind, subject }))
    const found = await readStats(deps, { kind, subjects }, call)
    const items = found.map((one, index) => ({
      subject: query.subjects[index] ?? '',
      ...present(one),
    }))
    return { items }
  })
  service.serve(stats.drainCounts, async (_input, { call, principal }) => {
    await principal()
    await deps.checkLogs(call)
    // What this isolate holds goes along; that of the others comes when it is due.
    await deps.counting.flush(call)
    return drainCounts(deps, call)
  })
}
