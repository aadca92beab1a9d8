import type { Call, SqlShard } from '@stoa/kernel'
import type { SweepReport } from '@stoa/messaging'
import { inWaves } from '@stoa/sharding'

export type Sweep = (shard: SqlShard, call: Call) => Promise<SweepReport>

export type SweepDeps = {
  readonly sweep: Sweep
  readonly report: (error: unknown, requestId: string) => void
}

/**
 * Publishes what the fast paths left, in every database, five at a time. A database that fails is reported and stops
 * no other: its events wait for the next sweep.
 */
export async function sweepAll(
  shards: readonly SqlShard[],
  { sweep, report }: SweepDeps,
  call: Call,
): Promise<SweepReport> {
  let published = 0
  let failed = 0
  await inWaves(shards, async (shard) => {
    try {
      const swept = await sweep(shard, call)
      published += swept.published
      failed += swept.failed
    } catch (error) {
      report(error, call.requestId)
    }
  })
  return { published, failed }
}
