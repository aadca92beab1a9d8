import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { statement } from '@stoa/adapters/libsql'
import { delivery } from '@stoa/data/notifier'
import type { Statement } from '@stoa/kernel'

import type { NewDelivery } from '../domain/delivery.ts'
import type { NewMerchantEvent } from '../domain/merchant-event.ts'
import type { EventStore } from '../domain/ports.ts'
import { beginAnew } from './asking.ts'
import { db } from './builder.ts'

/**
 * Numbers an event of a merchant. A database has one writer, and both statements are of one transaction: numbers have no
 * gaps, whatever is rolled back, and are there in their order. The last one lies apart, so that none is given twice.
 */
function number({ member, type, eventId, payload, at }: NewMerchantEvent): readonly Statement[] {
  return [
    {
      sql: `INSERT INTO merchant_sequence (member, last) VALUES (?, 1)
ON CONFLICT (member) DO UPDATE SET last = merchant_sequence.last + 1`,
      args: [member],
    },
    {
      sql: `INSERT INTO merchant_event (member, seq, event_id, type, payload, at)
SELECT member, last, ?, ?, ?, ? FROM merchant_sequence WHERE member = ?`,
      args: [eventId, type, payload, at, member],
    },
  ]
}

function insertDeliveries(made: readonly NewDelivery[]): readonly Statement[] {
  return made.length === 0 ? [] : [statement(db.insert(delivery).values([...made]))]
}

export function eventStore({ router, clock }: KeyspaceAccess): EventStore {
  return {
    effectOf: (event, { merchant, deliveries, due }) => ({
      event,
      key: merchant.member,
      scope: merchant.member,
      statements: [...number(merchant), ...insertDeliveries(deliveries)],
      events: due,
    }),
    replayEffect: (event, { deliveries, due, again, next }) => {
      const now = clock.now()
      return {
        event,
        key: event.key,
        statements: [
          ...insertDeliveries(deliveries),
          ...again.flatMap((asking) => beginAnew({ event: asking, at: now }, now)),
        ],
        events: [...due, ...next],
        conditional: again,
      }
    },
    after: async ({ member, after, since, limit }, call) => {
      const newest = {
        sql: 'SELECT last FROM merchant_sequence WHERE member = ?',
        args: [member],
      }
      const events = {
        sql: `SELECT seq, type, payload FROM merchant_event
WHERE member = ? AND seq > ? AND seq > coalesce((SELECT min(seq) - 1 FROM merchant_event WHERE member = ? AND at >= ?), 9e15)
ORDER BY seq LIMIT ?`,
        args: [member, after, member, since, limit],
      }
      const [rows, last] = await router.readMany(
        [events, newest].map((each) => ({ key: member, statement: each })),
        call,
      )
      return {
        events: (rows?.rows ?? []).map(([seq, type, payload]) => ({
          seq: Number(seq),
          type: String(type),
          payload: String(payload),
        })),
        latest: Number(last?.rows[0]?.[0] ?? 0),
      }
    },
  }
}
