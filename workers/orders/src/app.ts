import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import { createService, type Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { serveStockEvents } from './inbox/stock.ts'
import { report } from './report.ts'
import { serveCarts } from './routes/carts.ts'
import { serveOrders } from './routes/orders.ts'

/** The orders service: carts, prices of the moment, orders. It calls users and catalog. @throws InvalidEnvError */
export function createOrders(env: unknown, links: Links): Service {
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
  serveCarts(service, deps)
  serveOrders(service, deps)
  serveStockEvents(service, deps, config)
  return service
}
