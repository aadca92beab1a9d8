import { stats } from '@stoa/contracts/stats'
import type { Service } from '@stoa/http'

import type { Deps } from '../deps.ts'
import { dayMs, hourMs } from '../domain/kinds.ts'
import { idOf, subjectOf } from './subjects.ts'

const widths = { hour: hourMs, day: dayMs } as const

function momentOf(ms: number): string {
  return new Date(ms).toISOString()
}

export function serveHistory(service: Service, deps: Deps): void {
  const { counting, clock, staleMsMax, lateMsMax } = deps
  service.serve(stats.getSeries, async ({ params, query: { width, points } }, { call }) => {
    const widthMs = widths[width]
    const now = clock.now()
    const query = {
      kind: params.kind,
      metric: 'views',
      id: idOf(params),
      widthMs,
      from: now - (points - 1) * widthMs,
      to: now + 1,
    }
    const found = await counting.series(query, call)
    return {
      points: found.map(({ start, n }) => ({ start: momentOf(start), views: n })),
      asOf: momentOf(now),
      staleMsMax,
      lateMsMax,
    }
  })
  service.serve(stats.getViewers, async ({ params }, { call }) => {
    const now = clock.now()
    const of = { id: idOf(params), metric: 'viewers', periodMs: dayMs, at: now }
    const { count: viewers, error } = await counting.unique(params.kind, of, call)
    return { viewers, asOf: momentOf(now), staleMsMax, standardError: error }
  })
  service.serve(stats.getLeaders, async ({ params: { kind }, query }, { call }) => {
    const now = clock.now()
    const asked = { windows: query.days, limit: query.limit }
    const ranked = await counting.top(`${kind}.views`, asked, call)
    return {
      items: ranked.map(({ item, count, error }) => ({
        subject: subjectOf(kind, item),
        views: count,
        errorMax: error,
      })),
      asOf: momentOf(now),
      staleMsMax,
    }
  })
}
