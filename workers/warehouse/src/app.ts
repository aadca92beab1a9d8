import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import { createService, type Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { serveDeliveries } from './inbox/serve.ts'
import { report } from './report.ts'
import { serveStock } from './routes/stock.ts'

/** The warehouse service: stock, reservations, and the ledger of both. @throws InvalidEnvError */
export function createWarehouse(env: unknown, links: Links): Service {
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
  serveStock(service, deps)
  serveDeliveries(service, { deps, publicUrl: config.PUBLIC_URL })
  return service
}
