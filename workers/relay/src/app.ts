import { rootCall } from '@stoa/kernel'
import type { SweepReport } from '@stoa/messaging'

import { buildDeps } from './deps.ts'
import { sweepAll } from './domain/sweep.ts'
import { readConfig } from './env.ts'

export type Relay = { sweep(this: void): Promise<SweepReport> }

/** The relay: what a cron tick runs. @throws InvalidEnvError */
export function createRelay(env: unknown): Relay {
  const deps = buildDeps(readConfig(env))
  return {
    sweep: async () => {
      const call = rootCall(`sweep-${crypto.randomUUID()}`)
      return sweepAll(await deps.shards(call), deps, call)
    },
  }
}
