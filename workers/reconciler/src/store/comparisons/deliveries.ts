import type { Clock } from '@stoa/kernel'
import { type Fields, judgeDeliveries } from '@stoa/reconciliation'

import { halved, named } from '../../domain/judges.ts'
import type { Plan } from '../../domain/plan.ts'
import { type Page, type ReaderOf, tableSide } from '../pages.ts'

/** Longer than the notifier waits before it takes up by itself what is overdue. */
const settleMs = 3_600_000

/**
 * What each endpoint of a member should have been sent since it is there, and its delivery. All lie with the member. An
 * endpoint that is gone is owed nothing.
 */
const owed: Page = {
  columns: ['m.member', 'm.event_id', 'w.id'],
  select: (where) => `SELECT m.member || ':' || m.event_id || ':' || w.id AS key, m.at AS at,
  m.event_id AS event, w.id AS endpoint, d.state AS state, max(coalesce(d.next_at, 0), coalesce(d.created_at, 0)) AS nextAt,
  coalesce(d.earlier > 0, 0) AS rearmed
FROM merchant_event AS m
JOIN webhook_endpoint AS w ON w.member = m.member AND w.state = 'active' AND w.created_at < m.at
  AND EXISTS (SELECT 1 FROM json_each(w.types) AS t WHERE t.value = m.type)
LEFT JOIN delivery AS d ON d.endpoint = w.id AND d.event_id = m.event_id
WHERE ${where}`,
}

const states: Readonly<Record<string, string>> = {
  delivered: 'acked',
  pending: 'scheduled',
  failed: 'exhausted',
}

function halvesOf({ event = null, endpoint = null, state = null, ...rest }: Fields) {
  const said = typeof state === 'string' ? { state: states[state] ?? state, ...rest } : undefined
  return [{ event, endpoint }, said]
}

export function deliveriesPlan({
  readerOf,
  clock,
}: {
  readonly readerOf: ReaderOf
  readonly clock: Clock
}): Plan {
  const name = 'deliveries'
  return {
    comparison: {
      name,
      settleMs,
      sides: [tableSide('owed', { reader: readerOf('notifier'), page: owed, clock })],
      judge: named(name, halved(judgeDeliveries, halvesOf)),
    },
  }
}
