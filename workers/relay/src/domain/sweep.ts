import { type Call, type Clock, type SqlShard, within } from '@stoa/kernel'
import type { SweepReport } from '@stoa/messaging'
import { inWaves } from '@stoa/sharding'

/**
 * How long one database may hold up its wave. Shorter than the lease of what it claimed (30 s), so that nobody else has
 * taken the rows up while this sweep still publishes them.
 */
export const sweepMsMax = 20_000

export type Sweep = (shard: SqlShard, call: Call) => Promise<SweepReport>

export type SweepDeps = {
  readonly sweep: Sweep
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
}

/**
 * Publishes what the fast paths left, in every database, five at a time. A database that fails, or answers nothing, is
 * reported and stops no other: its events wait for the next sweep.
 */
export async function sweepAll(
  shards: readonly SqlShard[],
  { sweep, clock, report }: SweepDeps,
  call: Call,
): Promise<SweepReport> {
  let published = 0
  let failed = 0
  await inWaves(shards, async (shard) => {
    try {
      const swept = await sweep(shard, within(call, sweepMsMax, clock))
      published += swept.published
      failed += swept.failed
    } catch (error) {
      report(error, call.requestId)
    }
  })
  return { published, failed }
}
