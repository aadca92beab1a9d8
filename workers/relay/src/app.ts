import type { Links } from '@stoa/contracts'
import { createService, HttpFault, type Service, report } from '@stoa/http'
import { rootCall } from '@stoa/kernel'

import { buildDeps } from './deps.ts'
import type { Swept } from './domain/sweep.ts'
import { runTick, sweepRange } from './domain/tick.ts'
import { runUpkeep } from './domain/upkeep.ts'
import { readConfig } from './env.ts'
import { serveWakes } from './inbox/wake.ts'
import { serveLetters } from './routes/letters.ts'
import { upkeepsOf } from './store/upkeeps.ts'

export type Relay = {
  /**
   * Goes on with moves that somebody left half-way, then publishes what was left in every database; meanwhile every
   * service goes on with what it left.
   */
  sweep(this: void): Promise<Swept>
}

/** The relay: what a cron tick runs. @throws InvalidEnvError */
export function createRelay(env: unknown, links: Links): Relay {
  const deps = buildDeps(readConfig(env))
  const upkeeps = upkeepsOf(links)
  return {
    sweep: async () => {
      const call = rootCall(`sweep-${crypto.randomUUID()}`)
      const [swept] = await Promise.all([runTick(deps, call), runUpkeep(upkeeps, deps, call)])
      return swept
    },
  }
}

/** What the relay serves: its own wake-ups, and what operators ask. @throws InvalidEnvError */
export function createRelayService(env: unknown): Service {
  const config = readConfig(env)
  const deps = buildDeps(config)
  const service = createService({
    authenticate: () =>
      Promise.reject(
        new HttpFault('token_invalid', 'Cannot allow the request: the relay knows no sessions'),
      ),
    tokens: { operator: config.OPERATOR_TOKEN, importer: config.IMPORT_TOKEN },
    secret: config.STOA_SECRET,
    report,
  })
  serveLetters(service, deps)
  serveWakes(service, {
    publicUrl: config.PUBLIC_URL,
    verifier: deps.verifier,
    sweep: (range, call) => sweepRange(range, deps, call),
    report,
  })
  return service
}
