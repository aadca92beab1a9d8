import { rootCall, within } from '@stoa/kernel'
import type { SweepReport } from '@stoa/messaging'

import { buildDeps } from './deps.ts'
import { settleMoves } from './domain/settle.ts'
import { sweepAll, sweepMsMax } from './domain/sweep.ts'
import { readConfig } from './env.ts'

export type Relay = {
  /** Goes on with moves that somebody left half-way, then publishes what was left in every database. */
  sweep(this: void): Promise<SweepReport>
}

/** The relay: what a cron tick runs. @throws InvalidEnvError */
export function createRelay(env: unknown): Relay {
  const deps = buildDeps(readConfig(env))
  return {
    sweep: async () => {
      const call = rootCall(`sweep-${crypto.randomUUID()}`)
      // First: keys that are frozen take no writes until somebody goes on. What fails here must not stop the events.
      await settleMoves(deps, deps.clock.now(), within(call, sweepMsMax, deps.clock)).catch(
        (error: unknown) => deps.report(error, call.requestId),
      )
      const shards = await deps.shards(within(call, sweepMsMax, deps.clock))
      return sweepAll(shards, deps, call)
    },
  }
}
