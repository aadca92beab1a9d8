import { type Call, type Clock, type SqlShard } from '@stoa/kernel'
import type { Repairer, RepairSweep } from '@stoa/reconciliation'

import { type FeedDeps, followLedger, takeStatements } from './feeds.ts'
import { runTiers, type TierDeps } from './tiers.ts'

/** Whoever has the timetable gives a tick half a minute. */
export const tickMsMax = 28_000
/** The feeds may take so much of it, and they and the runs so much: repairs have the rest. */
const feedsMs = 6_000
const runsMs = 16_000

export type TickDeps = TierDeps &
  FeedDeps & {
    readonly repairer: Repairer
    readonly shards: (call: Call) => Promise<readonly SqlShard[]>
    readonly clock: Clock
  }

export type Ticked = RepairSweep & {
  /** Runs that came to their end. */
  readonly finished: number
}

/**
 * What each minute brings: the feeds, the runs that are due, then the repairs. Bounded; what is not done is gone on with
 * by the next one. What fails is reported, and stops nothing else.
 */
export async function tick(deps: TickDeps, call: Call): Promise<Ticked> {
  const { clock, report, repairer } = deps
  const beganAt = clock.now()
  const guarded = async (work: () => Promise<unknown>): Promise<void> => {
    await work().catch((error: unknown) => {
      call.signal.throwIfAborted()
      report(error, call.requestId)
    })
  }
  await guarded(() => followLedger(deps, beganAt + feedsMs, call))
  await guarded(() => takeStatements(deps, beganAt + feedsMs, call))
  const finished = await runTiers(deps, beganAt + runsMs, call)
  const swept = { repaired: 0, resolved: 0, review: 0, waiting: 0 }
  for (const shard of await deps.shards(call)) {
    await guarded(async () => {
      const part = await repairer.sweep(shard, call)
      swept.repaired += part.repaired
      swept.resolved += part.resolved
      swept.review += part.review
      swept.waiting += part.waiting
    })
  }
  return { finished, ...swept }
}
