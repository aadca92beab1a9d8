import type { Links } from '@stoa/contracts'
import { reconciler as routes } from '@stoa/contracts/reconciler'
import { createMemberService, type Service } from '@stoa/http'
import { type Call, rootCall, within } from '@stoa/kernel'

import { buildDeps, type ReconcilerOptions } from './deps.ts'
import { tick, type Ticked, tickMsMax } from './domain/tick.ts'
import { readConfig } from './env.ts'
import { serveDiscrepancies } from './routes/discrepancies.ts'
import { serveRuns } from './routes/runs.ts'

export type ReconcilerService = Service & {
  /** What is done each minute: feeds, runs that are due, repairs. Any number may run at once. */
  sweep(this: void, call?: Call): Promise<Ticked>
}

/**
 * The reconciler: proves that what the services keep agrees, and mends what is safe. It reads their databases itself, so
 * that no mistake in their code can hide, and repairs through their routes and inboxes.
 *
 * @throws InvalidEnvError
 */
export function createReconcilerService(
  env: unknown,
  links: Links,
  options: ReconcilerOptions = {},
): ReconcilerService {
  const config = readConfig(env)
  const deps = buildDeps(config, links, options)
  const service = createMemberService(config, links)
  serveRuns(service, deps)
  serveDiscrepancies(service, deps)
  const sweep = (call: Call = rootCall(`reconcile-${crypto.randomUUID()}`)) =>
    tick(deps.tick, within(call, tickMsMax, deps.clock))
  service.serve(routes.sweepReconciliation, async (_input, { call }) => {
    await sweep(call)
    return undefined
  })
  return { ...service, sweep }
}
