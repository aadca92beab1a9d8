import type { Statement } from '@stoa/kernel'

import type { Alarm, DueDelivery } from '../domain/delivery.ts'
import { degradedAfter, probeMs, suspendedAfterMs } from '../domain/health.ts'
import type { Answer, Outcome } from '../domain/outcome.ts'
import { isFree, setAlarm, silence } from './asking.ts'

export type Record = {
  readonly delivery: DueDelivery
  readonly answer: Answer
  readonly outcome: Outcome
  readonly alarm: Alarm | undefined
}

const mine = 'id = ? AND lease = ?'
const isMine = `EXISTS (SELECT 1 FROM delivery WHERE ${mine})`

function insertAttempt({ delivery, answer }: Record): Statement {
  const { begun, ended, status = null, error = null, text } = answer
  return {
    sql: `INSERT INTO attempt (delivery, number, at, duration_ms, status, error, answer)
SELECT id, attempts + 1, ?, ?, ?, ?, ? FROM delivery WHERE id = ? AND lease = ?`,
    args: [begun, Math.max(0, ended - begun), status, error, text, delivery.id, delivery.lease],
  }
}

function changeEndpoint({ delivery, answer, outcome }: Record): Statement {
  const { endpoint, id, lease } = delivery
  if (outcome.isWell) {
    return {
      sql: `UPDATE webhook_endpoint SET health = 'healthy', failures = 0, failing_since = NULL
WHERE id = ? AND failures > 0 AND ${isMine}`,
      args: [endpoint, id, lease],
    }
  }
  const { begun, ended } = answer
  return {
    sql: `UPDATE webhook_endpoint SET failures = failures + 1, failing_since = coalesce(failing_since, ?),
  state = CASE WHEN ? THEN 'gone' ELSE state END,
  probe_at = CASE WHEN health = 'suspended' OR failing_since > ? THEN probe_at ELSE ? END,
  health = CASE WHEN failing_since <= ? THEN 'suspended' WHEN failures + 1 >= ${degradedAfter} AND health = 'healthy'
    THEN 'degraded' ELSE health END
WHERE id = ? AND ${isMine}`,
    args: [
      begun,
      outcome.isGone ? 1 : 0,
      begun - suspendedAfterMs,
      ended + probeMs,
      begun - suspendedAfterMs,
      endpoint,
      id,
      lease,
    ],
  }
}

/** A success is the truth even when its lease was lost or another attempt has given up; nothing takes it back. */
function changeDelivery({ delivery, answer, outcome, alarm }: Record): Statement {
  const { state, nextAt } = outcome
  const whose = state === 'delivered' ? "state <> 'delivered'" : "state = 'pending' AND lease = ?"
  return {
    sql: `UPDATE delivery SET attempts = attempts + 1, last_status = ?, state = ?, done_at = ?, next_at = ?, asked = ?,
  lease = NULL, lease_until = 0 WHERE id = ? AND ${whose}`,
    args: [
      answer.status ?? null,
      state,
      state === 'pending' ? null : answer.ended,
      nextAt,
      alarm?.event.seq ?? delivery.asked,
      delivery.id,
      ...(state === 'delivered' ? [] : [delivery.lease]),
    ],
  }
}

/** Writes down an attempt. The lease goes with the last statement, so that a second time nothing happens. */
export function recordStatements(record: Record): readonly Statement[] {
  const { delivery, answer, alarm } = record
  const { id, lease } = delivery
  const when = { sql: mine, args: [id, lease] }
  return [
    insertAttempt(record),
    silence(id, answer.ended, when),
    ...(alarm === undefined ? [] : [setAlarm(alarm, when)]),
    changeEndpoint(record),
    changeDelivery(record),
  ]
}

/** Ends a delivery that may not be attempted any more; nobody else may make an attempt at it now. */
export function giveUpStatements(delivery: DueDelivery, at: number): readonly Statement[] {
  const free = isFree(at, delivery.lease)
  return [
    silence(delivery.id, at, { sql: `id = ? AND ${free.sql}`, args: [delivery.id, ...free.args] }),
    {
      sql: `UPDATE delivery SET state = 'failed', done_at = ?, lease = NULL, lease_until = 0
WHERE id = ? AND ${free.sql}`,
      args: [at, delivery.id, ...free.args],
    },
  ]
}
