import type { Call, Rows, SqlShard, Statement } from '@stoa/kernel'

import { claimEvents, readClaimed, settleClaim } from './outbox.ts'
import { publishEvents, type RelayDeps } from './relay.ts'

/** How long a sweep keeps what it claimed: longer than it may take, so that nobody publishes the rows meanwhile. */
const leaseMs = 30_000

/** Events of one round: five messages for a consumer. */
const claimMax = 500

/** The most rounds of one sweep of one database: a bound, so that a busy shard cannot starve the others. */
const roundsMax = 4

export type SweepReport = {
  readonly published: number
  /** Given back, to be tried again. */
  readonly failed: number
  /** The ids of those given up: refused too often. They stay in the outbox, and are made ready again by hand. */
  readonly dead: readonly string[]
  /** True when the bound of a sweep ended it, and not the outbox. */
  readonly hasMore: boolean
}

/**
 * Publishes what the fast path left in one database: claims due events, publishes, settles, until none is left, at most
 * 2,000. Events of one key are published in their order.
 *
 * Dying between any two steps loses nothing: an unmarked event is claimed again when its lease ends.
 *
 * @throws as {@link SqlShard.batch} and {@link QueuePort.publish}; what was claimed waits for the end of its lease.
 */
export async function sweepOutbox(
  shard: SqlShard,
  deps: RelayDeps & { readonly worker: string },
  call: Call,
): Promise<SweepReport> {
  let [published, failed] = [0, 0]
  const dead: string[] = []
  /** What became of the last round: said with the next claim, in one request. */
  let settling: readonly Statement[] = []
  for (let round = 0; ; round += 1) {
    const claim = { worker: deps.worker, now: deps.clock.now(), leaseMs, limit: claimMax }
    const claims = round < roundsMax ? [claimEvents(claim)] : []
    const answers = await shard.batch([...settling, ...claims], 'write', call)
    const gone = settling.length === 0 ? [] : deadOf(answers[0])
    dead.push(...gone)
    failed -= gone.length
    if (claims.length === 0) return { published, failed, dead, hasMore: true }
    const claimed = readClaimed(answers.at(-1))
    if (claimed.length === 0) return { published, failed, dead, hasMore: false }
    const outcome = await publishEvents(
      claimed.map(({ event }) => event),
      deps,
      call,
    )
    const errors = new Map(outcome.failed.map((each) => [each.id, each]))
    const settled = claimed.map(({ event: { id }, epoch }) => ({ ...errors.get(id), id, epoch }))
    settling = [settleClaim(settled, deps.worker, deps.clock.now())]
    published += outcome.published.length
    failed += outcome.failed.length
    if (claimed.length < claimMax) {
      const [last] = await shard.batch(settling, 'write', call)
      const ended = deadOf(last)
      return { published, failed: failed - ended.length, dead: [...dead, ...ended], hasMore: false }
    }
  }
}

/** The ids that a settlement gave up. */
function deadOf(rows: Rows | undefined): readonly string[] {
  return (rows?.rows ?? []).filter(([, isDead]) => isDead === 1).map(([id]) => String(id))
}
