import type { Call, Clock, SqlShard } from '@stoa/kernel'
import type { SagaRunner, Seals } from '@stoa/transactions'

import { settleOpen, type SettleDeps } from './settle.ts'

/** How long what was asked of a provider may wait for its own request to settle it, in milliseconds. */
export const openMsMax = 30_000
/** The most payments, and the most accounts, that one sweep of a database takes. */
export const takenMax = 20

export type SweepDeps = SettleDeps & {
  readonly shards: (call: Call) => Promise<readonly SqlShard[]>
  /** Payments with something open since `before`, the oldest first. One round trip. */
  readonly openIn: (shard: SqlShard, before: number, call: Call) => Promise<readonly string[]>
  /** Accounts with entries that no seal covers. One round trip. */
  readonly unsealedIn: (shard: SqlShard, now: number, call: Call) => Promise<readonly string[]>
  readonly transfers: Pick<SagaRunner, 'sweep'>
  readonly seals: Pick<Seals, 'seal'>
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
}

export type Swept = {
  readonly settled: number
  readonly transfers: number
  readonly sealed: number
  /** Transfers that have been taken up three times or more without an end: somebody should look. */
  readonly stuck: readonly string[]
}

/** Runs `work` on each, one after another; what fails is reported and stops no other. */
async function each<T>(
  items: readonly T[],
  work: (item: T) => Promise<number>,
  failed: (error: unknown) => void,
): Promise<number> {
  let done = 0
  for (const item of items) {
    try {
      done += await work(item)
    } catch (error) {
      failed(error)
    }
  }
  return done
}

/**
 * What nobody is working on any more, in every database: operations whose request died are asked for again, transfers
 * go on, and entries of the ledger are sealed.
 */
export async function sweepPayments(deps: SweepDeps, call: Call): Promise<Swept> {
  const { clock, seals, transfers, report } = deps
  const failed = (error: unknown) => report(error, call.requestId)
  const stuck: string[] = []
  let [settled, moved, sealed] = [0, 0, 0]
  const sweepOne = async (shard: SqlShard): Promise<number> => {
    const now = clock.now()
    const open = await deps.openIn(shard, now - openMsMax, call)
    settled += await each(open, (payment) => settleOpen(deps, payment, call), failed)
    const swept = await transfers.sweep(shard, call)
    moved += swept.taken
    stuck.push(...swept.stuck)
    const accounts = await deps.unsealedIn(shard, now, call)
    sealed += await each(accounts, (account) => seals.seal(account, call), failed)
    return 1
  }
  await each(await deps.shards(call), sweepOne, failed)
  return { settled, transfers: moved, sealed, stuck }
}
