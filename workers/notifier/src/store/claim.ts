import type { Rows, SqlValue, Statement } from '@stoa/kernel'

import type { DueDelivery, Turn } from '../domain/delivery.ts'
import type { Acknowledgement } from '../domain/endpoint.ts'
import { attemptsAtOnce, burstMs, type Health, paceMs, probeMs } from '../domain/health.ts'

/** How long an attempt is its taker's: longer than any request lasts (30 s), so that nobody is overtaken alive. */
export const leaseMs = 35_000

/** Clocks of isolates differ: what is due in so short a time is due. */
const skewMs = 2_000

export type Claim = {
  readonly ids: readonly string[]
  readonly lease: { readonly name: string; readonly now: number }
}

const { healthy, degraded, suspended } = attemptsAtOnce

/** What is far ahead of now was written by a clock that was wrong, and binds nobody. */
const pacedTo = `max(CASE WHEN paced_to > ? THEN 0 ELSE paced_to END, ? - ${burstMs})`

/** How many attempts more an endpoint takes at `:now`; of one that is gone all, for there is nothing to spare. */
const room = `CASE WHEN e.state = 'gone' THEN 1 WHEN e.health = 'suspended' AND e.probe_at > ? THEN 0
ELSE min((? - ${pacedTo}) / ${paceMs},
  CASE e.health WHEN 'healthy' THEN ${healthy} WHEN 'degraded' THEN ${degraded} ELSE ${suspended} END
  - (SELECT count(*) FROM delivery AS b WHERE b.endpoint = e.id AND b.state = 'pending' AND b.lease_until > ?)) END`

/**
 * Takes of each endpoint the delivery that was tried least, where there is room; charges the pace of its endpoint; and
 * reads all. One batch: two that come at the same time never take more than there is room for.
 */
export function claimStatements({ ids, lease: { name, now } }: Claim): readonly Statement[] {
  const list = JSON.stringify(ids)
  return [
    {
      sql: `UPDATE delivery SET lease = ?, lease_until = ? WHERE id IN (
  SELECT c.id FROM (
    SELECT d.id, d.endpoint, row_number() OVER (PARTITION BY d.endpoint ORDER BY d.attempts, d.id) AS place
    FROM json_each(?) AS asked CROSS JOIN delivery AS d ON d.id = asked.value
    WHERE d.state = 'pending' AND d.lease_until <= ? AND d.next_at <= ?) AS c
  JOIN webhook_endpoint AS e ON e.id = c.endpoint WHERE c.place = 1 AND ${room} >= 1)`,
      args: [name, now + leaseMs, list, now, now + skewMs, now, now, now + burstMs, now, now],
    },
    {
      sql: `UPDATE webhook_endpoint SET paced_to = ${pacedTo} + ${paceMs},
  probe_at = CASE health WHEN 'suspended' THEN ? ELSE probe_at END
WHERE id IN (SELECT d.endpoint FROM json_each(?) AS asked CROSS JOIN delivery AS d ON d.id = asked.value WHERE d.lease = ?)`,
      args: [now + burstMs, now, now + probeMs, list, name],
    },
    {
      sql: `SELECT d.id, CASE WHEN d.state <> 'pending' THEN 'done' WHEN d.lease = ? THEN 'mine'
  WHEN d.lease_until > ? THEN 'held' WHEN d.next_at > ? THEN 'early' ELSE 'over' END AS turn,
  d.attempts, d.earlier, d.asked, d.payload, max(d.created_at, d.begun_at) AS begun_at, d.endpoint, e.url, e.secret,
  CASE WHEN e.secret_before_until > ? THEN e.secret_before END AS secret_before, e.ack, e.state, e.health, e.probe_at
FROM json_each(?) AS asked CROSS JOIN delivery AS d ON d.id = asked.value
JOIN webhook_endpoint AS e ON e.id = d.endpoint`,
      args: [name, now, now + skewMs, now, list],
    },
  ]
}

function dueOf(row: readonly SqlValue[], lease: string): DueDelivery {
  const [id, turn, attempts, earlier, asked, payload, begunAt, endpoint, url, ...rest] = row
  const [secret, secretBefore, ack, state, health, probeAt] = rest
  return {
    id: String(id),
    // This and the two below are what the statement and the CHECKs of the table name.
    turn: String(turn) as Turn,
    lease,
    attempts: Number(attempts),
    earlier: Number(earlier),
    asked: Number(asked),
    payload: String(payload),
    begunAt: Number(begunAt),
    endpoint: String(endpoint),
    url: String(url),
    secrets: [secret, secretBefore].filter((each) => typeof each === 'string'),
    acknowledgement: String(ack) as Acknowledgement,
    isActive: state === 'active',
    health: String(health) as Health,
    probeAt: Number(probeAt),
  }
}

/** The deliveries that {@link claimStatements} answered. */
export function readClaim(
  rows: readonly Rows[] | undefined,
  lease: string,
): readonly DueDelivery[] {
  return (rows?.at(-1)?.rows ?? []).map((row) => dueOf(row, lease))
}
