import { keyText, type Statement } from '@stoa/kernel'

import type { Plan } from './streams.ts'

function spans(plans: readonly Plan[]): string {
  return JSON.stringify(
    plans.map(({ stream, run }) => ({
      slot: keyText(stream.key),
      okey: stream.okey,
      from: run[0]?.seq,
      to: run.at(-1)?.seq,
    })),
  )
}

const ofSpan = `slot = span.value ->> 'slot' AND consumer = ? AND okey = span.value ->> 'okey'`

/** An UPDATE of a row that is not there would pass the gate in silence. */
export function ensureCursors(plans: readonly Plan[], consumer: string): Statement {
  return {
    sql: `INSERT INTO inbox_cursor (slot, consumer, okey, seq)
SELECT value ->> 'slot', ?, value ->> 'okey', 0 FROM json_each(?) WHERE TRUE ON CONFLICT DO NOTHING`,
    args: [consumer, spans(plans)],
  }
}

/** The gate: moves each cursor over its run, and aborts the batch when one is not where it was. */
export function advanceCursors(plans: readonly Plan[], consumer: string): Statement {
  return {
    sql: `UPDATE inbox_cursor SET seq = CASE WHEN seq = (span.value ->> 'from') - 1 THEN span.value ->> 'to' END
FROM json_each(?) AS span WHERE ${ofSpan}`,
    args: [spans(plans), consumer],
  }
}

/** Keeps what came too early, unless it has been applied since the look. Safe to repeat. */
export function parkEvents(plans: readonly Plan[], consumer: string, now: number): Statement {
  const rows = plans.flatMap(({ stream, park }) =>
    park.map((event) => ({
      slot: keyText(stream.key),
      okey: stream.okey,
      seq: event.seq,
      event: JSON.stringify(event),
    })),
  )
  return {
    sql: `INSERT INTO parked (slot, consumer, okey, seq, event, parked_at)
SELECT value ->> 'slot', ?, value ->> 'okey', value ->> 'seq', value ->> 'event', ? FROM json_each(?)
WHERE NOT EXISTS (SELECT 1 FROM inbox_cursor WHERE slot = value ->> 'slot' AND consumer = ? AND okey = value ->> 'okey' AND seq >= value ->> 'seq')
ON CONFLICT DO NOTHING`,
    args: [consumer, now, JSON.stringify(rows), consumer],
  }
}

/** Forgets what was parked and has been applied. */
export function dropParked(plans: readonly Plan[], consumer: string): Statement {
  return {
    sql: `DELETE FROM parked WHERE n IN (
  SELECT parked.n FROM json_each(?) AS span CROSS JOIN parked ON ${ofSpan} AND parked.seq <= span.value ->> 'to')`,
    args: [spans(plans), consumer],
  }
}

/** The aggregates whose next event is parked: it came between the look and this batch. */
export function nextParked(plans: readonly Plan[], consumer: string): Statement {
  return {
    sql: `SELECT parked.okey FROM json_each(?) AS span
CROSS JOIN parked ON ${ofSpan} AND parked.seq = (span.value ->> 'to') + 1`,
    args: [spans(plans), consumer],
  }
}
