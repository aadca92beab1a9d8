import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { createMemberService, serveInbox, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { deliverWebhooks } from './inbox/deliver-webhooks.ts'
import { serveEndpoints } from './routes/endpoints.ts'

/** The notifier: merchants' webhook endpoints, and what is sent to them. @throws InvalidEnvError */
export function createNotifier(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveEndpoints(service, deps)
  serveInbox(service, {
    consumer: 'notifier',
    publicUrl: config.PUBLIC_URL,
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
    apply: (events, call) => deliverWebhooks(deps, events, call),
    report,
  })
  return service
}
