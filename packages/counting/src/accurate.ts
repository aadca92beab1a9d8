import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  slotOfId,
  SqlConstraintError,
} from '@stoa/kernel'

import { type ApplyDeps, isKnownFlush } from './apply.ts'
import { effectsOf, partsOf } from './effects.ts'
import { CounterOverflowError, ExpiredTokenError } from './faults.ts'
import { flushTime } from './flush.ts'
import type { Total } from './hot-view.ts'
import type { Kind } from './kind.ts'
import { acceptMs, appliedKeptMs } from './retention.ts'
import { applyBatch } from './statements.ts'
import { byShardOrThrow, firstSlot, readTotals } from './store.ts'
import { bucketOf } from './subject.ts'

/** Sends of one increment whose reply is lost again and again. */
const sendsMax = 3

export type AccurateIncrement = {
  readonly kind: Kind
  readonly id: string
  /** One for each metric, in order. */
  readonly deltas: readonly number[]
  /** Names this increment: the same token counts once, whatever happens to replies. */
  readonly token: string
}

function checkToken(token: string, clock: Clock): void {
  const time = flushTime(token)
  if (time === undefined || clock.now() - time > acceptMs) throw new ExpiredTokenError()
}

/**
 * Counts in the shard itself, once for each token, and answers the new total. One round trip; a repeat, and an object
 * that may be in a cold page, one more.
 *
 * @throws ExpiredTokenError, CounterOverflowError: nothing was counted; and as {@link Router.writeAll}.
 */
export async function incrementInShard(
  deps: ApplyDeps,
  { kind, id, deltas, token }: AccurateIncrement,
  call: Call,
): Promise<Total> {
  checkToken(token, deps.clock)
  const metrics = kind.metrics.map(({ name }) => name)
  const flush = {
    id: token,
    counts: [{ kind: kind.name, metrics, flat: [id, ...deltas] }],
    seen: [],
    boards: [],
  }
  const parts = partsOf(flush, deps.kinds)
  if ('reason' in parts) throw new RangeError(`Cannot count: ${parts.reason}`)
  // What a board learns lies elsewhere, and cannot commit with this: an accurate kind has no boards.
  const own = parts.filter(({ bucket }) => bucket === bucketOf(slotOfId(id)))
  await byShardOrThrow(deps.router, { items: [id], slotsOf: () => [slotOfId(id)] }, call)
  const pruneBefore = deps.clock.now() - appliedKeptMs
  const batch = applyBatch(effectsOf(own), { kinds: deps.kinds.all, pruneBefore, strict: true })
  for (let sends = 1; ; sends += 1) {
    try {
      const slot = firstSlot(bucketOf(slotOfId(id)))
      const applied = batch.read(await deps.router.writeAll([slot], batch.statements, call))
      const values = applied.sums.get(kind.name)?.get(id)?.split(',').map(Number)
      const [seq] = applied.seqs.values()
      const isWhole = !applied.thawed.get(kind.name)?.includes(id)
      if (values !== undefined && isWhole) return { values, seq: seq ?? 0, at: deps.clock.now() }
      break
    } catch (error) {
      if (isKnownFlush(error)) break
      if (error instanceof SqlConstraintError && error.type === 'check')
        throw new CounterOverflowError(error.constraint, { cause: error })
      if (!(error instanceof AmbiguousWriteError) || sends >= sendsMax) throw error
    }
  }
  const totals = await readTotals(deps, { kind, ids: [id] }, call)
  return totals.get(id) ?? { values: deltas.map(() => 0), seq: 0, at: deps.clock.now() }
}
