import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { stats } from '@stoa/contracts/stats'
import { createMemberService, serveInbox, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { drainCounts } from './domain/drain.ts'
import { readConfig } from './env.ts'
import { countEvents } from './inbox/count-events.ts'
import { serveHistory } from './routes/history.ts'
import { serveRepairs } from './routes/repairs.ts'
import { serveReports } from './routes/report.ts'
import { serveStats } from './routes/stats.ts'

/** The stats service: what is reported and counted of members, products and posts. @throws InvalidEnvError */
export function createStats(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveReports(service, deps)
  serveHistory(service, deps)
  serveStats(service, deps)
  serveRepairs(service, deps)
  serveInbox(service, {
    consumer: 'stats',
    publicUrl: config.PUBLIC_URL,
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
    apply: (events, call) => countEvents(deps, events, call),
    report,
  })
  service.serve(stats.sweepCounts, async (_input, { call }) => {
    await deps.checkLogs(call)
    await drainCounts(deps, call)
    await deps.counting.sweep(call)
    return undefined
  })
  return service
}
