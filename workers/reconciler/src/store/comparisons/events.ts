import type { Consumer } from '@stoa/contracts'
import type { Clock } from '@stoa/kernel'
import { judgeEvents } from '@stoa/reconciliation'

import { named } from '../../domain/judges.ts'
import type { Plan } from '../../domain/plan.ts'
import { type Lookup, lookedUpSide, type Page, type ReaderOf, tableSide } from '../pages.ts'

/** The fast path, the relay's sweeps and the queue's first retries. */
const settleMs = 900_000

type Deps = { readonly readerOf: ReaderOf; readonly clock: Clock }
type Payload = Readonly<Record<string, unknown>>

/** What an event must have left with one of its consumers: a SELECT that counts it, once for each place. */
type Trace = {
  readonly types: readonly string[]
  readonly consumer: Consumer
  readonly tracesOf: (event: string, payload: Payload) => readonly Lookup[]
}

function textOf(payload: Payload, name: string): string {
  return String(payload[name])
}

function productsOf(payload: Payload): readonly string[] {
  const lines = payload['lines'] as readonly { readonly product: string }[]
  return [...new Set(lines.map(({ product }) => product))]
}

/** The row of an inbox that lies with the key which the event changed. */
function inboxRow(consumer: string, key: string, event: string): Lookup {
  const sql = 'SELECT count(*) AS n FROM inbox WHERE slot = ? AND consumer = ? AND event_id = ?'
  return { key, statement: { sql, args: [key, consumer, event] } }
}

const toldToNotifier: Trace = {
  types: ['order.confirmed', 'order.rejected', 'order.cancelled'],
  consumer: 'notifier',
  tracesOf: (event, payload) => {
    const sellers = [...new Set(payload['sellers'] as readonly string[])]
    const sql = 'SELECT count(*) AS n FROM merchant_event WHERE member = ? AND event_id = ?'
    return [
      inboxRow('notifier:buyer', textOf(payload, 'buyer'), event),
      ...sellers.map((seller) => ({ key: seller, statement: { sql, args: [seller, event] } })),
    ]
  },
}

const counted: readonly Trace[] = [
  {
    types: ['order.confirmed'],
    consumer: 'stats',
    tracesOf: (event, payload) =>
      [textOf(payload, 'buyer'), ...productsOf(payload)].map((key) =>
        inboxRow('stats', key, event),
      ),
  },
  {
    types: ['order.rejected', 'order.cancelled'],
    consumer: 'stats',
    tracesOf: (event, payload) => [inboxRow('stats', textOf(payload, 'buyer'), event)],
  },
]

/** Of a top-up there is no order, and of what else payments are made for orders keeps nothing. */
const heardOfMoney: Trace = {
  types: ['payment.captured', 'payment.voided', 'payment.refunded', 'payment.charged_back'],
  consumer: 'orders',
  tracesOf: (_event, payload) => {
    if (payload['order'] === null) return []
    const key = textOf(payload, 'order')
    const sql = `SELECT (SELECT count(*) FROM order_money AS m WHERE m.order_id = ? AND m.payment = ? AND m.operation = ?
  AND m.amount_minor = ?) + (SELECT count(*) = 0 FROM order_head AS o WHERE o.id = ?) AS n`
    const about = [key, textOf(payload, 'payment'), textOf(payload, 'operation')]
    return [{ key, statement: { sql, args: [...about, Number(payload['amountMinor']), key] } }]
  },
}

const posted: readonly Trace[] = [
  {
    types: ['post.created'],
    consumer: 'stats',
    tracesOf: (event, payload) => [inboxRow('stats', textOf(payload, 'author'), event)],
  },
  {
    types: ['reply.created'],
    consumer: 'stats',
    tracesOf: (event, payload) => [inboxRow('stats', textOf(payload, 'post'), event)],
  },
]

const registered: Trace = {
  types: ['member.registered'],
  consumer: 'social',
  tracesOf: (_event, payload) => {
    const member = textOf(payload, 'member')
    const sql = 'SELECT count(*) AS n FROM profile WHERE member = ?'
    return [{ key: member, statement: { sql, args: [member] } }]
  },
}

const opened: Trace = {
  types: ['product.created'],
  consumer: 'warehouse',
  tracesOf: (_event, payload) => {
    const product = textOf(payload, 'product')
    const sql = `SELECT count(*) AS n FROM movement WHERE product = ? AND type = 'opening'`
    return [{ key: product, statement: { sql, args: [product] } }]
  },
}

const received: Trace = {
  types: ['goods.received'],
  consumer: 'warehouse',
  tracesOf: (_event, payload) => {
    const receipt = textOf(payload, 'receipt')
    const sql = `SELECT min(count(*), 1) AS n FROM movement WHERE product = ? AND type = 'receipt' AND ref = ?`
    return productsOf(payload).map((key) => ({ key, statement: { sql, args: [key, receipt] } }))
  },
}

/** Events of some types, in the outbox of whoever says them. */
function outboxPage(types: readonly string[]): Page {
  const args = types
  const marks = types.map(() => '?').join(', ')
  return {
    columns: ['e.id'],
    args,
    select: (
      where,
    ) => `SELECT e.id AS key, e.created_at AS at, e.type AS type, e.payload AS payload, 1 AS seq
FROM outbox AS e WHERE e.type IN (${marks}) AND ${where}`,
  }
}

/** What one keyspace tells one consumer, by the events themselves: is what each must have left there? */
function eventsPlan(
  {
    name,
    producer,
    traces,
  }: {
    readonly name: string
    readonly producer: string
    readonly traces: readonly [Trace, ...Trace[]]
  },
  { readerOf, clock }: Deps,
): Plan {
  const types = traces.flatMap((trace) => trace.types)
  const sent = tableSide('sent', { reader: readerOf(producer), page: outboxPage(types), clock })
  const applied = lookedUpSide('applied', {
    lead: sent,
    reader: readerOf(traces[0].consumer),
    lookupsOf: ({ key, fields }) => {
      const trace = traces.find((each) => each.types.includes(String(fields['type'])))
      // Written by its producer from an event that was typed.
      const payload = JSON.parse(String(fields['payload'])) as Payload
      return trace?.tracesOf(key, payload) ?? []
    },
    // What is applied is as new as the event: it says nothing of its own time.
    entriesOf: ({ key, at }, answers) => {
      const isWhole = answers.every(({ rows }) => Number(rows[0]?.[0] ?? 0) > 0)
      return isWhole ? [{ key, at, fields: { seq: 1 } }] : []
    },
  })
  return {
    comparison: { name, settleMs, sides: [sent, applied], judge: named(name, judgeEvents) },
    changes: { keyspace: producer, types, keysOf: ({ event }) => [event] },
  }
}

/** Who tells what to whom, by the name of the comparison: a repair reads it backwards. */
export const channels: Readonly<
  Record<string, { readonly producer: string; readonly traces: readonly [Trace, ...Trace[]] }>
> = {
  orders_to_notifier: { producer: 'orders', traces: [toldToNotifier] },
  orders_to_stats: { producer: 'orders', traces: counted as readonly [Trace, Trace] },
  payments_to_orders: { producer: 'payments', traces: [heardOfMoney] },
  posts_to_stats: { producer: 'social', traces: posted as readonly [Trace, Trace] },
  members_to_social: { producer: 'users', traces: [registered] },
  products_to_warehouse: { producer: 'catalog', traces: [opened] },
  goods_to_warehouse: { producer: 'procurement', traces: [received] },
}

export function eventsPlans(deps: Deps): readonly Plan[] {
  return Object.entries(channels).map(([name, channel]) => eventsPlan({ name, ...channel }, deps))
}
