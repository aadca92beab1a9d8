import type { Counting, DrainReport } from '@stoa/counting'
import { type Call, type Clock, remainingMs } from '@stoa/kernel'

/** A drain of full logs takes seconds: with less left, the next one goes on. */
const leastMs = 10_000

export type DrainDeps = {
  readonly counting: Pick<Counting, 'drainer'>
  readonly clock: Clock
  /** Asks for another drain soon. */
  readonly wake: (call: Call) => Promise<void>
}

/** Drains all logs while there is time, and asks for another when something is left. Any number may run at once. */
export async function drainCounts(
  { counting, clock, wake }: DrainDeps,
  call: Call,
): Promise<DrainReport> {
  let total = await counting.drainer.drain(call)
  // What is stuck is read again and again: only a pass that got something done is followed by another.
  for (let last = total; last.hasMore && last.done > 0;) {
    if (remainingMs(call, clock) < leastMs) {
      await wake(call)
      break
    }
    last = await counting.drainer.drain(call)
    total = {
      entries: total.entries + last.entries,
      done: total.done + last.done,
      repeated: total.repeated + last.repeated,
      dead: total.dead + last.dead,
      hasMore: last.hasMore,
    }
  }
  return total
}
