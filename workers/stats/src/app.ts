import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { createMemberService, serveInbox, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { countEvents } from './inbox/count-events.ts'
import { serveCounts } from './routes/counts.ts'

/** The stats service: what is counted of members and products. @throws InvalidEnvError */
export function createStats(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveCounts(service, deps)
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
  return service
}
