import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { Rows, Statement } from '@stoa/kernel'

import type { DeliveryState } from '../domain/delivery.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { Resend } from '../domain/ports.ts'
import { replayChunk, type ReplayItem } from '../domain/replay.ts'

type Scatter = KeyspaceAccess['router']['scatter']

type From = { readonly endpoint: Endpoint; readonly since: number; readonly after: number }

/** The member's next events that the endpoint should have had, each with the delivery that it has of it. */
export function replayQuery({ endpoint, since, after }: From): Statement {
  return {
    sql: `SELECT m.seq, m.type, m.event_id, m.payload, d.id AS delivery, d.state, d.asked
FROM merchant_event AS m LEFT JOIN delivery AS d ON d.endpoint = ? AND d.event_id = m.event_id
WHERE m.member = ? AND m.seq > ? AND m.at >= ? AND m.type IN (SELECT value FROM json_each(?))
ORDER BY m.seq LIMIT ${replayChunk}`,
    args: [endpoint.id, endpoint.member, after, since, JSON.stringify(endpoint.types)],
  }
}

export function readReplay({ rows }: Rows): readonly ReplayItem[] {
  return rows.map(([seq, type, eventId, payload, delivery, state, asked]) => ({
    seq: Number(seq),
    type: String(type),
    eventId: String(eventId),
    payload: String(payload),
    delivery:
      delivery === null
        ? undefined
        : // The CHECK of the table names the states.
          { id: String(delivery), state: String(state) as DeliveryState, asked: Number(asked) },
  }))
}

/** The most overdue deliveries that one sweep takes up. */
const overdueMax = 500

/** Deliveries whose attempt has been due since `before` and is made by nobody. */
export function overdueQuery(before: number): Parameters<Scatter>[0] {
  return {
    select: (isOwned) => ({
      sql: `SELECT id, asked FROM delivery WHERE state = 'pending' AND next_at <= ? AND created_at <= ?
AND lease_until <= ? AND ${isOwned('id')} ORDER BY id LIMIT ${overdueMax}`,
      args: [before, before, before],
    }),
    order: [{ column: 'id' }],
    limit: overdueMax,
    unreachable: 'skip',
  }
}

export function readOverdue({ rows: { rows } }: Awaited<ReturnType<Scatter>>): readonly Resend[] {
  return rows.map(([id, asked]) => ({ id: String(id), asked: Number(asked) }))
}
