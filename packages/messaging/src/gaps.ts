import { type Consumer, consumers } from '@stoa/contracts'
import type { Call, SqlShard, Statement } from '@stoa/kernel'
import { isWritable } from '@stoa/sharding'

import type { StoaEvent } from './event.ts'
import { readOutbox, selectEvents } from './outbox.ts'
import { parcelsFor } from './parcels.ts'
import { publishParcels, type RelayDeps } from './relay.ts'

/** How long an event may wait for its predecessor before that is sent again. */
export const gapMs = 30_000

/** Gaps that one sweep of one database fills. */
const gapsMax = 50

/** What a consumer lacks of one aggregate: the events `from` to `to`, and the first that waits for them. */
type Gap = {
  readonly slot: string
  readonly consumer: Consumer
  readonly okey: string
  readonly from: number
  readonly to: number
  readonly waiting: StoaEvent
}

export type GapDeps = RelayDeps & {
  /** Runs a SELECT where the outbox rows of an aggregate lie, in each keyspace that may have them. */
  readonly findRows: (
    aggregate: string,
    query: Statement,
    call: Call,
  ) => Promise<readonly (readonly (null | string | number | bigint | Uint8Array)[])[]>
}

export type GapReport = {
  /** Gaps whose events were sent again. */
  readonly filled: number
  /** Aggregates of which an event is in no outbox any more: somebody must decide. */
  readonly lost: readonly string[]
}

function findGaps(before: number): Statement {
  return {
    sql: `SELECT early.slot, early.consumer, early.okey, coalesce(reached.seq, 0) + 1, min(early.seq) - 1, early.event
FROM parked AS early LEFT JOIN inbox_cursor AS reached USING (slot, consumer, okey)
WHERE early.parked_at <= ? AND early.consumer NOT GLOB 'dead/*' AND early.seq > coalesce(reached.seq, 0) AND ${isWritable('early.slot')}
  AND NOT EXISTS (SELECT 1 FROM parked AS dead WHERE dead.slot = early.okey AND dead.consumer = 'dead/' || early.consumer
    AND dead.okey = early.okey AND dead.seq = coalesce(reached.seq, 0) + 1)
GROUP BY early.slot, early.consumer, early.okey ORDER BY early.parked_at LIMIT ?`,
    args: [before, gapsMax],
  }
}

function readGaps(rows: readonly (readonly unknown[])[]): readonly Gap[] {
  return rows.flatMap(([slot, name, okey, from, to, event]) => {
    const consumer = consumers.find((each) => each === name)
    // The row was written by an ordered inbox, from an event that was read.
    const waiting = JSON.parse(String(event)) as StoaEvent
    if (consumer === undefined) return []
    return [
      {
        slot: String(slot),
        consumer,
        okey: String(okey),
        from: Number(from),
        to: Number(to),
        waiting,
      },
    ]
  })
}

/** Begins the wait anew for those that were sent for: what a poison event holds up is asked for once in a while. */
function waitAgain(gaps: readonly Gap[], now: number): Statement {
  return {
    sql: `UPDATE parked SET parked_at = ? WHERE n IN (
  SELECT parked.n FROM json_each(?) AS gap CROSS JOIN parked ON slot = gap.value ->> 'slot'
    AND consumer = gap.value ->> 'consumer' AND okey = gap.value ->> 'okey')`,
    args: [now, JSON.stringify(gaps.map(({ slot, consumer, okey }) => ({ slot, consumer, okey })))],
  }
}

/**
 * Sends to consumers that follow an order what they lack since 30 s, out of the outbox of the producer, and the event
 * that waits for it: an event whose message was lost, or whose predecessor was applied by somebody who died before he
 * looked at what was parked. What lies among the dead letters is left to whoever replays it.
 *
 * Costs one round trip when there is no gap, else one more, one message batch, and a search for each.
 */
export async function fillGaps(shard: SqlShard, deps: GapDeps, call: Call): Promise<GapReport> {
  const now = deps.clock.now()
  const [found] = await shard.batch([findGaps(now - gapMs)], 'read', call)
  const gaps = readGaps(found?.rows ?? [])
  if (gaps.length === 0) return { filled: 0, lost: [] }
  const lost: string[] = []
  const parcels = []
  for (const { consumer, okey, from, to, waiting } of gaps) {
    const rows = from > to ? [] : await deps.findRows(okey, selectEvents(okey, from, to), call)
    const missing = rows.map(readOutbox)
    // The first that is missing decides: without it none of the later ones can be applied.
    if (from <= to && missing[0]?.seq !== from) lost.push(okey)
    const events = [...missing, waiting]
    parcels.push(...parcelsFor(consumer, events, { publicUrl: deps.publicUrl, again: String(now) }))
  }
  await publishParcels(
    parcels.map((parcel) => ({ ...parcel, message: { ...parcel.message, retries: 0 } })),
    deps,
    call,
  )
  await shard.batch([waitAgain(gaps, now)], 'write', call)
  return { filled: gaps.length - lost.length, lost }
}

export type Resend = {
  readonly consumer: Consumer
  readonly aggregate: string
  readonly from: number
  readonly to: number
}

/**
 * Sends events of an aggregate to one consumer again, at most 100, out of whichever outbox has them; answers how many.
 * What was applied already is dropped by the inbox.
 */
export async function resendEvents(range: Resend, deps: GapDeps, call: Call): Promise<number> {
  const { consumer, aggregate, from, to } = range
  const rows = await deps.findRows(aggregate, selectEvents(aggregate, from, to), call)
  const again = String(deps.clock.now())
  const events = rows.map(readOutbox)
  const parcels = parcelsFor(consumer, events, { publicUrl: deps.publicUrl, again })
  const refused = await publishParcels(parcels, deps, call)
  return events.length - refused.length
}
