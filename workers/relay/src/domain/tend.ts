import {
  type Call,
  type Clock,
  type Random,
  type SqlShard,
  slotCount,
  slotText,
} from '@stoa/kernel'
import {
  type BarrierOptions,
  fillGaps,
  type GapDeps,
  pruneBarriers,
  pruneShard,
} from '@stoa/messaging'

import { tickOf } from './rotation.ts'

/** A database is cleaned on every fifth tick: one write lock in five minutes where there is nothing to clean. */
const pruneEvery = 5

export type TendDeps = {
  readonly gaps: GapDeps
  readonly endedBefore: BarrierOptions['endedBefore']
  readonly random: Random
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
}

/** An aggregate whose next event is in no outbox any more. */
export class EventLostError extends Error {
  override readonly name = 'EventLostError'
}

/**
 * What is done in a database beside its events: gaps of consumers that follow an order are filled, and now and then what
 * has expired is deleted.
 */
export async function tend(
  shard: SqlShard,
  { gaps, endedBefore, random, clock, report }: TendDeps,
  call: Call,
): Promise<void> {
  const { lost } = await fillGaps(shard, gaps, call)
  if (lost.length > 0) {
    const message = `Cannot fill gaps in ${shard.name}: no outbox has what ${lost.join(', ')} lack`
    report(new EventLostError(message), call.requestId)
  }
  const now = clock.now()
  if (tickOf(now) % pruneEvery !== 0) return
  await pruneShard(shard, now, call)
  const from = slotText(random.uint32() % slotCount)
  await pruneBarriers(shard, { now, from, endedBefore }, call)
}
