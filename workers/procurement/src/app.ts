import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import { createService, type Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { report } from './report.ts'
import { servePurchaseOrders } from './routes/purchase-orders.ts'
import { serveSuppliers } from './routes/suppliers.ts'

/** The procurement service: suppliers, purchase orders, receipts. @throws InvalidEnvError */
export function createProcurement(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const client = clientOf(users, links.fetcher('users'))
  const service = createService({
    authenticate: async (token, call) => {
      const headers = { authorization: `Bearer ${token}` }
      return parseTypedId('usr', (await client.currentSession({ headers }, call)).member)
    },
    tokens: { operator: config.OPERATOR_TOKEN, importer: config.IMPORT_TOKEN },
    secret: config.STOA_SECRET,
    report,
  })
  serveSuppliers(service, deps)
  servePurchaseOrders(service, deps)
  return service
}
