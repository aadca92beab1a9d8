import { InvalidIncrementError, UnknownMetricError } from './faults.ts'
import type { Kind } from './kind.ts'
import { acceptMs, keptMsDefault } from './retention.ts'

/** Somebody who is to be counted once at an object: in each period of `periodMs`, or for ever. */
export type Seen = {
  readonly id: string
  readonly metric: string
  readonly member: string
  readonly periodMs?: number
}

/**
 * @throws UnknownMetricError when the kind does not count members by this; InvalidIncrementError for a period that is
 *   forgotten before its end.
 */
export function checkSeen(kind: Kind, { metric, periodMs = 0 }: Omit<Seen, 'member' | 'id'>): void {
  const name = `${kind.name}.${metric}`
  if (kind.uniques?.includes(metric) !== true) throw new UnknownMetricError(name)
  if (periodMs > (kind.uniquesKeptMs ?? keptMsDefault) - acceptMs)
    throw new InvalidIncrementError(name, periodMs, 'such a period is forgotten before its end')
}
