import type { RouteKey } from '@stoa/kernel'

import type { StoaEvent } from './event.ts'

/** Events of one aggregate, in their order, each order number once. */
export type Stream = {
  readonly okey: string
  /** Where the consumer's rows of it lie. */
  readonly key: RouteKey
  readonly events: readonly StoaEvent[]
}

export function streamsOf(
  events: readonly StoaEvent[],
  keyOf: (aggregate: string) => RouteKey,
): readonly Stream[] {
  const byKey = Map.groupBy(events, ({ key }) => key)
  return [...byKey].map(([okey, list]) => ({ okey, key: keyOf(okey), events: inOrder(list) }))
}

function inOrder(events: readonly StoaEvent[]): readonly StoaEvent[] {
  const bySeq = new Map(events.map((event) => [event.seq, event]))
  return [...bySeq.values()].toSorted((one, other) => one.seq - other.seq)
}

/** What is to be done with a stream: `run` follows the cursor without a gap, `park` came too early. */
export type Plan = {
  readonly stream: Stream
  readonly cursor: number
  readonly run: readonly StoaEvent[]
  readonly park: readonly StoaEvent[]
  /** True when more than `run` could follow. */
  readonly isCut: boolean
}

export type Seen = {
  readonly cursor: number
  /** Events that are parked already, the first ones in their order. */
  readonly parked: readonly StoaEvent[]
  readonly runMax: number
}

/** Pure. What is at or before the cursor has happened, and is in neither list. */
export function planOf(stream: Stream, { cursor, parked, runMax }: Seen): Plan {
  const known = new Set(parked.map(({ seq }) => seq))
  const waiting = inOrder([...parked, ...stream.events]).filter(({ seq }) => seq > cursor)
  const gap = waiting.findIndex(({ seq }, index) => seq !== cursor + 1 + index)
  const ready = gap === -1 ? waiting : waiting.slice(0, gap)
  const run = ready.slice(0, runMax)
  const park = gap === -1 ? [] : waiting.slice(gap).filter(({ seq }) => !known.has(seq))
  return { stream, cursor, run, park, isCut: run.length < ready.length }
}
