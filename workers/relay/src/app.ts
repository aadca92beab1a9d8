import { rootCall, within } from '@stoa/kernel'
import type { SweepReport } from '@stoa/messaging'

import { buildDeps } from './deps.ts'
import { sweepAll, sweepMsMax } from './domain/sweep.ts'
import { readConfig } from './env.ts'

export type Relay = { sweep(this: void): Promise<SweepReport> }

/** The relay: what a cron tick runs. @throws InvalidEnvError */
export function createRelay(env: unknown): Relay {
  const deps = buildDeps(readConfig(env))
  return {
    sweep: async () => {
      const call = rootCall(`sweep-${crypto.randomUUID()}`)
      const shards = await deps.shards(within(call, sweepMsMax, deps.clock))
      return sweepAll(shards, deps, call)
    },
  }
}
