import type { Clock } from '@stoa/kernel'
import { type Entry, type Judge, judgePayments, judgeSagas, type Side } from '@stoa/reconciliation'

import { named, withoutLedger } from '../../domain/judges.ts'
import type { Change, Plan } from '../../domain/plan.ts'
import { endedTypes } from '../../domain/tiers.ts'
import { lookedUpSide, type Page, type ReaderOf, tableSide } from '../pages.ts'

const minuteMs = 60_000
/** What follows a decision takes a second, or the next sweep. */
const endedMs = minuteMs
/** How long whoever sweeps sagas has for one that is late. */
const recoveryMs = 15 * minuteMs

type Deps = { readonly readerOf: ReaderOf; readonly clock: Clock }

/**
 * An order that is cancelled stays paid until the saga that cancels it has told everybody: whether it comes to its end is
 * another comparison's question. After that, and where nobody goes on, its money has to be back.
 */
const orderPage: Page = {
  columns: ['o.id'],
  select: (
    where,
  ) => `SELECT o.id AS key, max(coalesce(o.decided_at, o.created_at), coalesce(s.finished_at, c.decided_at, 0)) AS at,
  CASE WHEN o.state = 'rejected' OR (c.saga IS NOT NULL AND (s.id IS NULL OR s.finished_at IS NOT NULL)) THEN 'cancelled'
    WHEN o.state = 'confirmed' THEN 'paid' ELSE 'placed' END AS state,
  CASE WHEN o.total_minor > 0 THEN o.id END AS payment, o.total_minor AS amount, o.currency AS currency, c.saga AS saga
FROM order_head AS o LEFT JOIN order_cancellation AS c ON c.order_id = o.id AND c.state = 'cancelled'
LEFT JOIN saga AS s ON s.id = c.saga WHERE ${where}`,
}

/** Money that is promised or taken, and not given back. */
const held = 'p.authorised_minor - p.voided_minor - p.refunded_minor'

/** A payment that is bound secures its order, whatever an operator does with it afterwards. */
const paymentPage: Page = {
  columns: ['p.order_id'],
  select: (where) => `SELECT p.order_id AS key, p.id AS id, max(p.created_at,
  coalesce((SELECT max(f.at) FROM payment_operation AS f WHERE f.payment = p.id), 0), coalesce(p.bound_at, 0)) AS at,
  CASE WHEN p.bound_at IS NULL THEN 'pending' ELSE 'captured' END AS state,
  p.authorised_minor AS amount, p.currency AS currency, ${held} - p.charged_back_minor AS held
FROM payment AS p WHERE p.order_id IS NOT NULL AND (p.bound_at IS NOT NULL OR ${held} > 0) AND ${where}`,
}

function ofOrder({ aggregate }: Change): readonly string[] {
  return [aggregate]
}

const judgeMoney = withoutLedger(judgePayments({ fields: { amount: {}, currency: 'exact' } }))

function heldOf({ fields }: Entry): number {
  return Number(fields['held'])
}

/** An order that has come to nothing, and what is still held for it: what was given back needs no look. */
const judgeEnded: Judge = ({ key, entries: [orders = [], payments = []] }, look) => {
  const holding = payments.filter((payment) => heldOf(payment) > 0)
  const amount = holding.reduce((sum, payment) => sum + heldOf(payment), 0)
  const saga = orders[0]?.fields['saga'] ?? null
  return judgeMoney({ key, entries: [orders, holding] }, look).map((finding) =>
    finding.class === 'state_mismatch'
      ? { ...finding, amount, detail: { ...finding.detail, held: amount, saga } }
      : finding,
  )
}

/** Money that is bound to an order which costs nothing: we know of it all there is, and a person says whose it is. */
const judgeOrders: Judge = (group, look) => {
  const hasEnded = group.entries[0]?.[0]?.fields['state'] === 'cancelled'
  return (hasEnded ? judgeEnded : judgeMoney)(group, look).map((finding) =>
    finding.action === 'replay_paid' ? { ...finding, action: 'investigate' } : finding,
  )
}

/** What an order says of its money, and what its payments do. */
export function ordersPlan({ readerOf, clock }: Deps): Plan {
  const comparison = {
    name: 'orders',
    settleMs: endedMs,
    sides: [
      tableSide('orders', { reader: readerOf('orders'), page: orderPage, clock }),
      tableSide('payments', { reader: readerOf('payments'), page: paymentPage, clock }),
    ],
    judge: named('orders', judgeOrders),
  }
  return {
    comparison,
    changes: { keyspace: 'orders', types: ['order.placed', ...endedTypes], keysOf: ofOrder },
    isOfEnded: true,
  }
}

/** The saga of each try: named by the field `gid`. */
function sagasOf(tries: Side, { readerOf }: Deps, keyspace: string): Side {
  return lookedUpSide('sagas', {
    lead: tries,
    reader: readerOf(keyspace),
    lookupsOf: ({ fields }) => {
      const gid = String(fields['gid'])
      const sql =
        'SELECT state, deadline, coalesce(finished_at, created_at) AS at FROM saga WHERE id = ?'
      return [{ key: gid, statement: { sql, args: [gid] } }]
    },
    entriesOf: ({ key }, [found]) =>
      (found?.rows ?? []).map(([state, deadline, at]) => ({
        key,
        at: Number(at),
        fields: { state: String(state), deadline: Number(deadline) },
      })),
  })
}

type Tries = {
  readonly name: string
  readonly in: string
  readonly sagas: string
  readonly page: Page
}

function triesPlan({ name, in: keyspace, sagas, page }: Tries, deps: Deps): Plan {
  const { readerOf, clock } = deps
  const tries = tableSide('tries', { reader: readerOf(keyspace), page, clock })
  return {
    comparison: {
      name,
      settleMs: recoveryMs,
      sides: [tries, sagasOf(tries, deps, sagas)],
      judge: named(name, judgeSagas),
    },
  }
}

const openPayments: Page = {
  columns: ['p.order_id'],
  select: (where) => `SELECT p.order_id AS key, p.created_at AS at, p.gid AS gid, ${held} AS amount
FROM payment AS p WHERE p.order_id IS NOT NULL AND p.bound_at IS NULL AND ${held} > 0 AND ${where}`,
}

const openReservations: Page = {
  columns: ['r.product', 'r.order_id'],
  select: (
    where,
  ) => `SELECT r.product || ':' || r.order_id AS key, r.changed_at AS at, r.order_id AS gid, 0 AS amount
FROM reservation AS r WHERE r.state = 'reserved' AND r.confirmed_at IS NULL AND ${where}`,
}

const openHolds: Page = {
  columns: ['h.account', 'h.gid', 'h.branch'],
  select: (
    where,
  ) => `SELECT h.account || ':' || h.gid || ':' || h.branch AS key, h.changed_at AS at, h.gid AS gid,
  h.amount - h.captured - h.released AS amount
FROM hold AS h WHERE h.captured + h.released < h.amount AND ${where}`,
}

/** What is held for sagas, and whether they still need it. */
export function triesPlans(deps: Deps): readonly Plan[] {
  return [
    { name: 'payment_tries', in: 'payments', sagas: 'orders', page: openPayments },
    { name: 'stock_tries', in: 'warehouse', sagas: 'orders', page: openReservations },
    { name: 'hold_tries', in: 'payments', sagas: 'payments', page: openHolds },
  ].map((tries) => triesPlan(tries, deps))
}

const openSagas: Page = {
  columns: ['s.id'],
  select: (
    where,
  ) => `SELECT s.id AS key, s.created_at AS at, s.state AS state, s.deadline AS deadline
FROM saga AS s WHERE s.finished_at IS NULL AND ${where}`,
}

/** Sagas that nobody brings to an end: none of them may be open long after its deadline. */
export function deadlinesPlan(keyspace: string, { readerOf, clock }: Deps): Plan {
  const name = `${keyspace}_deadlines`
  const sagas = tableSide('sagas', { reader: readerOf(keyspace), page: openSagas, clock })
  const judge = named(name, ({ key, entries: [open = []] }, look) => {
    const tries = open.map((saga) => ({ ...saga, fields: { amount: 0 } }))
    return judgeSagas({ key, entries: [tries, open] }, look)
  })
  return { comparison: { name, settleMs: recoveryMs, sides: [sagas], judge } }
}
