import type { Statement } from '@stoa/kernel'
import { isWritable } from '@stoa/sharding'

import type { StoaEvent } from './event.ts'

/** How long the fast path has to publish an event before a sweep takes it up. */
export const fastPathMs = 10_000

/** Rows that another shard serves must stay as they are; one frozen slot must not stop the sweep of a shard. */
const served = isWritable('okey')

/** The part of a type that says what it happened to: `order` of `order.placed`. */
function topicOf(event: StoaEvent): string {
  return event.type.split('.', 1)[0] ?? event.type
}

/** Writes `events` to the outbox of the shard that the batch is for: one statement, whatever their number. */
export function insertEvents(events: readonly StoaEvent[], now: number): Statement {
  return {
    sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, causation, created_at, next_at)
SELECT value ->> 'id', substr(value ->> 'type', 1, instr(value ->> 'type', '.') - 1), value ->> 'type', value ->> 'key', value ->> 'seq', value ->> 'data', value ->> 'cause', value ->> 'at', ?
FROM json_each(?)`,
    args: [now + fastPathMs, JSON.stringify(events)],
  }
}

/**
 * Writes an event only when `condition`, a SQL expression, holds in the batch so far; answers the id when it did.
 * List such events in `Work.conditional`, or they wait for the sweep.
 */
export function insertEventWhen(event: StoaEvent, now: number, condition: Statement): Statement {
  return {
    sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, causation, created_at, next_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE ${condition.sql} RETURNING id`,
    args: [
      event.id,
      topicOf(event),
      event.type,
      event.key,
      event.seq,
      JSON.stringify(event.data),
      event.cause,
      event.at,
      now + fastPathMs,
      ...condition.args,
    ],
  }
}

/** Marks events as published. Safe to repeat, and to lose: a sweep publishes again, and the inbox drops the copy. */
export function markSent(ids: readonly string[], now: number): Statement {
  return {
    sql: `UPDATE outbox SET state = 'sent', sent_at = ?, lease_owner = NULL
WHERE id IN (SELECT value FROM json_each(?)) AND state = 'ready' AND ${served}`,
    args: [now, JSON.stringify(ids)],
  }
}

export type Claim = {
  readonly worker: string
  readonly now: number
  /** How long the claimed rows are this worker's, in milliseconds. */
  readonly leaseMs: number
  readonly limit: number
}

/**
 * Takes the oldest events that are due and nobody's, and answers them. A worker that dies holds them until its lease
 * ends; then another takes them, and what the first had published arrives twice.
 */
export function claimEvents({ worker, now, leaseMs, limit }: Claim): Statement {
  return {
    sql: `UPDATE outbox SET lease_owner = ?, lease_until = ?, lease_epoch = lease_epoch + 1, attempts = attempts + 1
WHERE id IN (
  SELECT id FROM outbox
  WHERE state = 'ready' AND next_at <= ? AND lease_until <= ? AND ${served}
  ORDER BY next_at, id LIMIT ?)
RETURNING id, type, okey, seq, payload, causation, created_at`,
    args: [worker, now + leaseMs, now, now, limit],
  }
}

/** Gives back what could not be published, to be tried again at `nextAt`. */
export function releaseEvents(
  ids: readonly string[],
  {
    worker,
    nextAt,
    error,
  }: { readonly worker: string; readonly nextAt: number; readonly error: string },
): Statement {
  return {
    sql: `UPDATE outbox SET lease_owner = NULL, lease_until = 0, next_at = ?, last_error = ?
WHERE id IN (SELECT value FROM json_each(?)) AND lease_owner = ? AND state = 'ready' AND ${served}`,
    args: [nextAt, error.slice(0, 500), JSON.stringify(ids), worker],
  }
}
