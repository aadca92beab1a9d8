import { qstashVerifier } from '@stoa/adapters/qstash'
import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import { createService, serveInbox, type Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { listProducts } from './inbox/list-products.ts'
import { report } from './report.ts'
import { serveCategories } from './routes/categories.ts'
import { serveProducts } from './routes/products.ts'

/** The catalog service: products, categories, skus. @throws InvalidEnvError */
export function createCatalog(env: unknown, links: Links): Service {
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
  serveProducts(service, deps)
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
