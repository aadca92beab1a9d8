import type { Links } from '@stoa/contracts'
import { createService, HttpFault, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { serveForwards } from './routes/forward.ts'
import { serveHealth } from './routes/health.ts'
import { serveOpenapi } from './routes/openapi.ts'

/** The gateway: the only public door. It answers health and documentation, and forwards the rest. @throws InvalidEnvError */
export function createGateway(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createService({
    authenticate: () =>
      Promise.reject(
        new HttpFault('token_invalid', 'Cannot allow the request: the gateway knows no sessions'),
      ),
    tokens: { operator: config.OPERATOR_TOKEN, importer: config.IMPORT_TOKEN },
    secret: config.STOA_SECRET,
    report,
  })
  serveHealth(service, deps)
  serveOpenapi(service, config.PUBLIC_URL)
  serveForwards(service, deps)
  return service
}
