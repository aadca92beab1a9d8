import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { notifier } from '@stoa/contracts/notifier'
import { createMemberService, serveInbox, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { sweepOverdue } from './domain/sweep.ts'
import { readConfig } from './env.ts'
import { deliverWebhooks } from './inbox/deliver-webhooks.ts'
import { serveDeliveries } from './routes/deliveries.ts'
import { serveEndpoints } from './routes/endpoints.ts'
import { serveEvents } from './routes/events.ts'
import { serveNotifications } from './routes/notifications.ts'
import { serveRepairs } from './routes/repairs.ts'

/** The notifier: what members are told, by webhooks, by a list to ask for, and inside the product. @throws InvalidEnvError */
export function createNotifier(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveEndpoints(service, deps)
  serveDeliveries(service, deps)
  serveEvents(service, deps)
  serveNotifications(service, deps)
  serveRepairs(service, deps)
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
  service.serve(notifier.sweepDeliveries, async (_input, { call }) => ({
    taken: await sweepOverdue(deps, call),
  }))
  return service
}
