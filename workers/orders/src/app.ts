import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { serveStockEvents } from './inbox/stock.ts'
import { serveCarts } from './routes/carts.ts'
import { serveOrders } from './routes/orders.ts'

/** The orders service: carts, prices of the moment, orders. It calls users and catalog. @throws InvalidEnvError */
export function createOrders(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveCarts(service, deps)
  serveOrders(service, deps)
  serveStockEvents(service, deps, config)
  return service
}
