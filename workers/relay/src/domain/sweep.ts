import { type Call, type Clock, type SqlShard, within } from '@stoa/kernel'
import type { Circuits, SweepReport } from '@stoa/messaging'

/**
 * How long one database may take. Shorter than the lease of what it claimed (30 s), so that nobody else has taken the
 * rows up while this sweep still publishes them.
 */
export const sweepMsMax = 20_000

/** After this no database is begun any more: the next tick comes in a minute, and begins elsewhere. */
export const tickMsMax = 40_000

/** Six requests may wait for headers in a Worker; one stays free for the queue. */
export const lanes = 5

export type Sweep = (shard: SqlShard, call: Call) => Promise<SweepReport>

export type SweepDeps = {
  readonly sweep: Sweep
  /** What else is done in a database, after its events. */
  readonly tend: (shard: SqlShard, call: Call) => Promise<void>
  readonly circuits: Circuits
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
}

/** Events of a database that the queue has refused too often. */
export class EventsGivenUpError extends Error {
  override readonly name = 'EventsGivenUpError'
}

export type Swept = { readonly published: number; readonly failed: number }

/**
 * Publishes what the fast paths left, in every database, five at a time, each at most 20 s; those that have more come
 * again at the end, while there is time. A database that fails, or answers nothing, is reported and stops no other; one
 * that fails three times in a row is left alone for a while.
 */
export async function sweepAll(
  shards: readonly SqlShard[],
  { sweep, tend, circuits, clock, report }: SweepDeps,
  call: Call,
): Promise<Swept> {
  const end = clock.now() + tickMsMax
  const queue = shards.filter(({ name }) => circuits.isClosed(name))
  const tended = new Set<string>()
  let [published, failed] = [0, 0]
  const visit = async (shard: SqlShard): Promise<void> => {
    const own = within(call, sweepMsMax, clock)
    try {
      const swept = await sweep(shard, own)
      published += swept.published
      failed += swept.failed
      if (swept.hasMore) queue.push(shard)
      if (swept.dead.length > 0) {
        const ids = swept.dead.join(', ')
        report(new EventsGivenUpError(`Cannot publish from ${shard.name}: ${ids}`), call.requestId)
      }
      if (!tended.has(shard.name)) {
        tended.add(shard.name)
        await tend(shard, own)
      }
      circuits.succeeded(shard.name)
    } catch (error) {
      circuits.failed(shard.name)
      report(error, call.requestId)
    }
  }
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (clock.now() >= end || call.signal.aborted) return
      await visit(next)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { published, failed }
}
