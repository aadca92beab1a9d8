import type { Counting } from '@stoa/counting'
import { isFault } from '@stoa/kernel'

import { dayMs, type KindName } from './kinds.ts'

/** Somebody did something to something. */
export type Report = {
  readonly kind: KindName
  readonly subject: string
  readonly metric: string
  readonly by: number
  readonly viewer?: string | undefined
}

function record(counting: Counting, { kind, subject, metric, by, viewer }: Report): void {
  counting.increment(kind, subject, { [metric]: by })
  if (viewer === undefined) return
  counting.see(kind, { id: subject, metric: 'viewers', member: viewer, periodMs: dayMs })
}

/**
 * Counts reports in memory, in their order; answers how many, which is less than all when the buffer is full.
 *
 * @throws BufferFullError when it has no room for the first.
 */
export function recordAll(counting: Counting, reports: readonly Report[]): number {
  for (const [accepted, report] of reports.entries()) {
    try {
      record(counting, report)
    } catch (error) {
      // What is counted stays counted: the sender must know where to go on.
      if (accepted > 0 && isFault(error) && error.code === 'buffer_full') return accepted
      throw error
    }
  }
  return reports.length
}
