import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { serveBranches } from './routes/branches.ts'
import { serveCallbacks } from './routes/callbacks.ts'
import { serveOperations } from './routes/operations.ts'
import { servePayments } from './routes/payments.ts'
import { serveRepairs } from './routes/repairs.ts'
import { serveUpkeep } from './routes/upkeep.ts'
import { serveWallets } from './routes/wallets.ts'

/** The payments service: payments, refunds, wallets. @throws InvalidEnvError */
export function createPayments(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  serveBranches(service, deps)
  servePayments(service, deps)
  serveOperations(service, deps)
  serveCallbacks(service, deps)
  serveWallets(service, deps)
  serveUpkeep(service, deps)
  serveRepairs(service, deps)
  return service
}
