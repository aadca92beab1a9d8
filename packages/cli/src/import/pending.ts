import { type Clock, sleep } from '@stoa/kernel'

import type { Batch } from './batch.ts'

export type Pace = {
  readonly isDone: (batch: Batch) => boolean
  /** Rows a second; `undefined` is as fast as they are asked for. */
  readonly maxRate: number | undefined
  readonly signal: AbortSignal
  readonly clock: Clock
}

/**
 * Of `batches` those that are still to be done, each no sooner than the rows before it may have been written. Nothing
 * more once `signal` has aborted.
 */
export async function* pending(
  batches: AsyncGenerator<Batch, void>,
  { isDone, maxRate, signal, clock }: Pace,
): AsyncGenerator<Batch, void> {
  let next = clock.now()
  for await (const batch of batches) {
    if (signal.aborted) return
    if (isDone(batch)) continue
    const wait = next - clock.now()
    // The abort is seen right after.
    if (wait > 0) await sleep(wait, clock, signal).catch(() => undefined)
    if (signal.aborted) return
    if (maxRate !== undefined) next = Math.max(next, clock.now()) + (batch.rows * 1000) / maxRate
    yield batch
  }
}
