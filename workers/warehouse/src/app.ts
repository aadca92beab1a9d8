import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { serveDeliveries } from './inbox/serve.ts'
import { serveBranches } from './routes/branches.ts'
import { serveRepairs } from './routes/repairs.ts'
import { serveStock } from './routes/stock.ts'

/** The warehouse service: stock, reservations, and the ledger of both. @throws InvalidEnvError */
export function createWarehouse(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveStock(service, deps)
  serveBranches(service, deps)
  serveRepairs(service, deps)
  serveDeliveries(service, { deps, publicUrl: config.PUBLIC_URL })
  return service
}
