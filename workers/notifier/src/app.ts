import { qstashVerifier } from '@stoa/adapters/qstash'
import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import { createService, serveInbox, type Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { deliverWebhooks } from './inbox/deliver-webhooks.ts'
import { report } from './report.ts'
import { serveEndpoints } from './routes/endpoints.ts'

/** The notifier: merchants' webhook endpoints, and what is sent to them. @throws InvalidEnvError */
export function createNotifier(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const sessions = clientOf(users, links.fetcher('users'))
  const service = createService({
    authenticate: async (token, call) => {
      const headers = { authorization: `Bearer ${token}` }
      return parseTypedId('usr', (await sessions.currentSession({ headers }, call)).member)
    },
    tokens: { operator: config.OPERATOR_TOKEN, importer: config.IMPORT_TOKEN },
    secret: config.STOA_SECRET,
    report,
  })
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
