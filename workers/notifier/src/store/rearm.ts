import { statement } from '@stoa/adapters/libsql'
import { delivery } from '@stoa/data/notifier'
import type { Rows, Statement } from '@stoa/kernel'
import { insertEventWhen } from '@stoa/messaging'

import type { DeliveryState } from '../domain/delivery.ts'
import type { Debt, Owed, Rearm } from '../domain/rearm.ts'
import { ask, isFree } from './asking.ts'
import { db } from './builder.ts'

/** The event, if the endpoint is there, wanted its type, and was there before it. */
export function owedQuery({ member, event, endpoint }: Debt): Statement {
  return {
    sql: `SELECT m.type, m.payload, d.id AS delivery, d.state, d.asked, max(d.next_at, d.created_at) AS next_at, d.earlier
FROM merchant_event AS m
JOIN webhook_endpoint AS w ON w.member = m.member AND w.id = ? AND w.state = 'active' AND w.created_at < m.at
  AND EXISTS (SELECT 1 FROM json_each(w.types) AS t WHERE t.value = m.type)
LEFT JOIN delivery AS d ON d.endpoint = w.id AND d.event_id = m.event_id
WHERE m.member = ? AND m.event_id = ?`,
    args: [endpoint, member, event],
  }
}

export function readOwed({ rows: [row] }: Rows): Owed | undefined {
  if (row === undefined) return undefined
  const [type, payload, id, state, asked, nextAt, earlier] = row
  const known = {
    id: String(id),
    // The CHECK of the table names the states.
    state: String(state) as DeliveryState,
    asked: Number(asked),
    nextAt: Number(nextAt),
    wasAnew: Number(earlier) > 0,
  }
  return {
    type: String(type),
    payload: String(payload),
    delivery: id === null ? undefined : known,
  }
}

/** One batch, which changes nothing where somebody was faster, and nothing when it is sent twice. */
export function rearmStatements(rearm: Rearm, now: number): readonly Statement[] {
  const { kind, alarm } = rearm
  switch (kind) {
    case 'plan':
      return [
        statement(db.insert(delivery).values(rearm.delivery).onConflictDoNothing()),
        insertEventWhen(alarm.event, now, { sql: 'changes() = 1', args: [] }),
      ]
    case 'anew':
      return ask(
        alarm,
        { sql: `state = 'failed' AND lease_until <= ?`, args: [now] },
        {
          sql: ", state = 'pending', done_at = NULL, earlier = attempts, begun_at = ?",
          args: [now],
        },
      )
    case 'ask':
      return ask(alarm, isFree(now))
  }
}
