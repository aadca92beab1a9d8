import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { buildDeps, type OrdersOptions } from './deps.ts'
import { readConfig } from './env.ts'
import { servePaymentEvents } from './inbox/payments.ts'
import { serveCarts } from './routes/carts.ts'
import { serveOrders } from './routes/orders.ts'

/**
 * The orders service: carts, prices of the moment, orders. It calls users, catalog, warehouse and payments.
 *
 * @throws InvalidEnvError
 */
export function createOrders(env: unknown, links: Links, options: OrdersOptions = {}): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links, options)
  const service = createMemberService(config, links)
  serveCarts(service, deps)
  serveOrders(service, deps)
  servePaymentEvents(service, deps, config)
  return service
}
