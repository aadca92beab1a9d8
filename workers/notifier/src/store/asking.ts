import type { Statement } from '@stoa/kernel'
import { insertEventWhen } from '@stoa/messaging'

import type { Alarm } from '../domain/delivery.ts'

/**
 * How long after its time an alarm waits in the outbox: the queue rings it in time, and an attempt that it began has
 * ended by then and taken the alarm out.
 */
export const graceMs = 20_000

/** What must hold of a delivery. */
export type When = { readonly sql: string; readonly args: readonly (string | number)[] }

function exists({ sql, args }: When): When {
  return { sql: `EXISTS (SELECT 1 FROM delivery WHERE ${sql})`, args }
}

/** Takes the alarms of a delivery out of the outbox: a sweep takes none while an earlier one waits. */
export function silence(delivery: string, now: number, when: When): Statement {
  const condition = exists(when)
  return {
    sql: `UPDATE outbox SET state = 'sent', sent_at = ?, lease_owner = NULL
WHERE okey = ? AND state = 'ready' AND type = 'delivery.due' AND ${condition.sql}`,
    args: [now, delivery, ...condition.args],
  }
}

/** Puts an alarm into the outbox. */
export function setAlarm({ event, at }: Alarm, when: When): Statement {
  return insertEventWhen(event, at + graceMs, exists(when))
}

/**
 * Asks for an attempt: the alarm in the place of the one before, its time and number in the delivery; unless somebody has
 * asked since, or `when` does not hold.
 */
export function ask(alarm: Alarm, when: When, change: When = { sql: '', args: [] }): Statement[] {
  const { event, at } = alarm
  const where = `id = ? AND asked = ? AND ${when.sql}`
  const args = [event.key, event.seq - 1, ...when.args]
  return [
    silence(event.key, event.at, { sql: where, args }),
    setAlarm(alarm, { sql: where, args }),
    {
      sql: `UPDATE delivery SET asked = ?, next_at = ?, lease = NULL, lease_until = 0${change.sql} WHERE ${where}`,
      args: [event.seq, at, ...change.args, ...args],
    },
  ]
}

/** Nobody makes an attempt at `now`, or the holder of `lease` does. */
export function isFree(now: number, lease = ''): When {
  return { sql: `state = 'pending' AND (lease_until <= ? OR lease = ?)`, args: [now, lease] }
}

/** A delivery begins anew: the attempts that were made count no more. Not while one is under way. */
export function beginAnew(alarm: Alarm, now: number): Statement[] {
  const sql = ", state = 'pending', done_at = NULL, earlier = attempts, begun_at = ?"
  const change = { sql, args: [now] }
  return ask(alarm, { sql: 'lease_until <= ?', args: [now] }, change)
}
