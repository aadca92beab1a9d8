import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { createMemberService, serveInbox, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { listProducts } from './inbox/list-products.ts'
import { serveCategories } from './routes/categories.ts'
import { serveProducts } from './routes/products.ts'
import { serveRepairs } from './routes/repairs.ts'

/** The catalog service: products, categories, skus. @throws InvalidEnvError */
export function createCatalog(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveProducts(service, deps)
  serveRepairs(service, deps)
  serveCategories(service, deps)
  serveInbox(service, {
    consumer: 'catalog',
    publicUrl: config.PUBLIC_URL,
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
    apply: (events, call) => listProducts(deps, events, call),
    report,
  })
  return service
}
