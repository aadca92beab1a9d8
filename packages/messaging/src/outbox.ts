import type { EventType } from '@stoa/contracts'
import type { Rows, Statement } from '@stoa/kernel'
import { isWritable } from '@stoa/sharding'

import type { StoaEvent } from './event.ts'

/**
 * How long the fast path has to publish an event before a sweep takes it up: it takes milliseconds, and one that was
 * slower is published twice. With a sweep a minute, what it loses is on its way after 61 s.
 */
export const fastPathMs = 1_000

/** The first wait after a refusal, doubled by each attempt, and the longest. */
export const retryMs = 5_000
export const retryMsMax = 15 * 60_000

/** The attempts after which an event that the queue itself refuses is given up: about two and a half hours. */
export const attemptsMax = 20

/** Rows that another shard serves must stay as they are; one frozen slot must not stop the sweep of a shard. */
const served = isWritable('okey')

/** What an event is read back from, in this order. */
const columns = 'id, type, okey, seq, payload, causation, created_at, headers'

/** The part of a type that says what it happened to: `order` of `order.placed`. */
function topicOf(event: StoaEvent): string {
  return event.type.split('.', 1)[0] ?? event.type
}

/** The version of an event's contract, for the column `headers`; nothing for the first. */
function headersOf({ v }: StoaEvent): string | null {
  return v === undefined ? null : JSON.stringify({ v })
}

/** Writes `events` to the outbox of the shard that the batch is for: one statement, whatever their number. */
export function insertEvents(events: readonly StoaEvent[], now: number): Statement {
  return {
    sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, headers, causation, created_at, next_at)
SELECT value ->> 'id', substr(value ->> 'type', 1, instr(value ->> 'type', '.') - 1), value ->> 'type', value ->> 'key', value ->> 'seq', value ->> 'data',
  CASE WHEN value ->> 'v' IS NOT NULL THEN json_object('v', value ->> 'v') END, value ->> 'cause', value ->> 'at', ?
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
    sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, headers, causation, created_at, next_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE ${condition.sql} RETURNING id`,
    args: [
      event.id,
      topicOf(event),
      event.type,
      event.key,
      event.seq,
      JSON.stringify(event.data),
      headersOf(event),
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

/** An event that one worker holds, until its lease ends. The epoch tells this claim from every later one. */
export type Claimed = { readonly event: StoaEvent; readonly epoch: number }

/**
 * Takes the oldest events that are due and nobody's, and answers them. Of a key it takes a run without a gap, from the
 * first that is left: while that one waits or is another's, none of the later ones is taken. When anything is due,
 * something is taken, however many wait behind a key's first. A worker that dies holds its rows until its lease ends; then
 * another takes them, and what the first had published arrives twice.
 */
export function claimEvents({ worker, now, leaseMs, limit }: Claim): Statement {
  return {
    sql: `WITH due AS MATERIALIZED (
  SELECT id, okey, seq FROM outbox AS one
  WHERE state = 'ready' AND next_at <= ? AND lease_until <= ? AND ${isWritable('one.okey')} AND NOT EXISTS (
    SELECT 1 FROM outbox AS head WHERE head.okey = one.okey AND head.seq < one.seq AND head.state = 'ready'
      AND (head.next_at > one.next_at OR head.lease_until > ?))
  ORDER BY next_at, seq, id LIMIT ?)
UPDATE outbox SET lease_owner = ?, lease_until = ?, lease_epoch = lease_epoch + 1, attempts = attempts + 1
WHERE id IN (
  SELECT id FROM due WHERE NOT EXISTS (
    SELECT 1 FROM outbox AS left_out WHERE left_out.okey = due.okey AND left_out.seq < due.seq
      AND left_out.state = 'ready' AND left_out.id NOT IN (SELECT id FROM due)))
RETURNING ${columns}, lease_epoch`,
    args: [now, now, now, limit, worker, now + leaseMs],
  }
}

/** The events of a claim: those of one key in their order. */
export function readClaimed(rows: Rows | undefined): readonly Claimed[] {
  return (rows?.rows ?? [])
    .map((row) => ({ event: readOutbox(row), epoch: Number(row[8]) }))
    .toSorted((one, other) => one.event.seq - other.event.seq)
}

/** An event as its row says it: it was written by `insertEvents`, whose events were typed. */
export function readOutbox(row: Rows['rows'][number]): StoaEvent {
  const [id, type, key, seq, payload, cause, at, headers] = row
  const { v } = JSON.parse(typeof headers === 'string' ? headers : '{}') as { v?: number }
  return {
    id: String(id),
    type: String(type) as EventType,
    ...(v === undefined ? {} : { v }),
    key: String(key),
    seq: Number(seq),
    cause: String(cause),
    at: Number(at),
    data: JSON.parse(String(payload)) as StoaEvent['data'],
  }
}

/** One event, whatever its state. */
export function selectEvent(id: string): Statement {
  return { sql: `SELECT ${columns} FROM outbox WHERE id = ?`, args: [id] }
}

/** The events of one key from an order number to another, both included, whatever their state. */
export function selectEvents(key: string, from: number, to: number): Statement {
  return {
    sql: `SELECT ${columns} FROM outbox WHERE okey = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT 100`,
    args: [key, from, to],
  }
}

/** What became of a claimed event; without an error it was published. */
export type Settled = {
  readonly id: string
  readonly epoch: number
  readonly error?: string
  /** True when the queue refused this very event, and will refuse it again. */
  readonly isRefused?: boolean
}

/**
 * Settles a claim: marks what was published, gives back the rest to be tried again after a wait that doubles, and gives
 * up what the queue has refused {@link attemptsMax} times. A row whose lease another has taken since stays as it is.
 * Answers the ids that were given up.
 */
export function settleClaim(settled: readonly Settled[], worker: string, now: number): Statement {
  return {
    sql: `UPDATE outbox SET lease_owner = NULL, lease_until = 0, last_error = coalesce(item.value ->> 'error', last_error),
  sent_at = CASE WHEN item.value ->> 'error' IS NULL THEN ? END,
  next_at = CASE WHEN item.value ->> 'error' IS NULL THEN next_at ELSE ? + min(?, ? << min(attempts - 1, 20)) END,
  state = CASE WHEN item.value ->> 'error' IS NULL THEN 'sent'
    WHEN item.value ->> 'isRefused' = 1 AND attempts >= ? THEN 'dead' ELSE 'ready' END
FROM json_each(?) AS item
WHERE outbox.id = item.value ->> 'id' AND lease_owner = ? AND lease_epoch = item.value ->> 'epoch'
  AND state = 'ready' AND ${served}
RETURNING outbox.id, state = 'dead'`,
    args: [now, now, retryMsMax, retryMs, attemptsMax, JSON.stringify(settled), worker],
  }
}

/** Makes events that were given up ready again. Safe to repeat. */
export function reviveEvents(ids: readonly string[], now: number): Statement {
  return {
    sql: `UPDATE outbox SET state = 'ready', attempts = 0, next_at = ?, lease_until = 0
WHERE id IN (SELECT value FROM json_each(?)) AND state = 'dead' AND ${served}`,
    args: [now, JSON.stringify(ids)],
  }
}
