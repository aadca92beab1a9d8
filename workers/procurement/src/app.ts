import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { servePurchaseOrders } from './routes/purchase-orders.ts'
import { serveSuppliers } from './routes/suppliers.ts'

/** The procurement service: suppliers, purchase orders, receipts. @throws InvalidEnvError */
export function createProcurement(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveSuppliers(service, deps)
  servePurchaseOrders(service, deps)
  return service
}
