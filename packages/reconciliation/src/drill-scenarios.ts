import type { Fields } from './entry.ts'
import type { Action, BreakClass, Judge } from './finding.ts'
import { judgeBalances, judgeCounts, judgeHotView } from './judges/counts.ts'
import { judgeDeliveries, judgeEvents } from './judges/events.ts'
import { judgePayments } from './judges/payments.ts'
import { judgeSagas } from './judges/sagas.ts'
import { judgeStock } from './judges/stock.ts'
import { judgeTwins } from './judges/twins.ts'

/** What each side says: a list of entries a side. `at` is in milliseconds from the time that the scenario is at. */
export type Said = readonly (readonly { readonly fields: Fields; readonly at?: number }[])[]

/** One way in which a break of a class may look. */
export type Variant = { readonly action: Action; readonly said: (n: number) => Said }

export type Scenario = {
  readonly name: string
  readonly sides: readonly string[]
  readonly judge: Judge
  /** The side that is behind the others; for a statement, by whole days. */
  readonly behind: { readonly side: number; readonly byDays: boolean }
  readonly clean: (n: number) => Said
  /** Differs, and within the tolerance. */
  readonly near: (n: number) => Said
  readonly breaks: Partial<Readonly<Record<BreakClass, readonly Variant[]>>>
}

const days = 86_400_000

function one(fields: Fields, at = 0) {
  return [{ fields, at }]
}

function variant(action: Action, said: (n: number) => Said): Variant {
  return { action, said }
}

const money = (n: number) => ({ amount: 1_000 + (n % 50), currency: 'EUR' })
const order = (n: number, state = 'paid') => ({ ...money(n), fee: 3, state, payment: `p${n}` })
const capture = (n: number, state = 'captured') => ({ ...money(n), fee: 3, state, id: `c${n}` })
const paid = (n: number): Said => [one(order(n)), one(capture(n)), one(money(n))]

/** How long before midnight, when the provider closes its day, a payment falls into the next file. */
const beforeClose = days / 2 - 1_200_000

const payments: Scenario = {
  name: 'payments',
  sides: ['orders', 'provider', 'ledger'],
  judge: judgePayments({ cutOffMs: 3_600_000 }),
  behind: { side: 1, byDays: true },
  clean: (n) =>
    n % 10 === 0
      ? [one(order(n, 'refunded')), one(capture(n, 'refunded')), one(money(n))]
      : paid(n),
  near: paid,
  breaks: {
    missing_internal: [
      variant('replay_paid', (n) => [
        one({ ...order(n, 'placed'), payment: null }),
        one(capture(n)),
        [],
      ]),
      variant('refund_unknown', (n) => [[], one(capture(n)), []]),
    ],
    missing_external: [variant('suspend', (n) => [one(order(n)), [], one(money(n))])],
    amount_mismatch: [
      variant('adjust', (n) => [
        one(order(n)),
        one({ ...capture(n), amount: money(n).amount + 1 }),
        one(money(n)),
      ]),
      variant('adjust', (n) => [
        one(order(n)),
        one({ ...capture(n), currency: 'USD' }),
        one(money(n)),
      ]),
      variant('adjust', (n) => [one(order(n)), one({ ...capture(n), fee: 4 }), one(money(n))]),
    ],
    state_mismatch: [
      variant('redrive_payment', (n) => [one(order(n, 'placed')), one(capture(n)), []]),
      variant('redrive_payment', (n) => [
        one(order(n)),
        one(capture(n, 'refunded')),
        one(money(n)),
      ]),
    ],
    duplicate_capture: [
      variant('refund_duplicate', (n) => [
        one(order(n)),
        [...one(capture(n), 1_000), ...one({ ...capture(n), id: `d${n}` }, 2_000)],
        one(money(n)),
      ]),
    ],
    cut_off: [
      variant('carry_over', (n) => [one(order(n), beforeClose), [], one(money(n), beforeClose)]),
    ],
    journal_mismatch: [
      variant('republish_order', (n) => [one(order(n)), one(capture(n)), []]),
      variant('suspend', (n) => [[], [], one(money(n))]),
    ],
  },
}

const sagas: Scenario = {
  name: 'sagas',
  sides: ['tries', 'sagas'],
  judge: judgeSagas,
  behind: { side: 1, byDays: false },
  clean: (n) =>
    n % 4 === 0
      ? [one({ amount: 5 }), one({ state: 'trying', deadline: 4e12 })]
      : [[], one({ state: 'done', deadline: 0 })],
  near: () => [[], one({ state: 'cancelled', deadline: 0 })],
  breaks: {
    stuck_transaction: [
      variant('finish_transaction', () => [
        one({ amount: 5 }),
        one({ state: 'cancelled', deadline: 0 }),
      ]),
      variant('finish_transaction', () => [
        one({ amount: 5 }),
        one({ state: 'confirming', deadline: 0 }),
      ]),
      variant('investigate', () => [one({ amount: 5 }), []]),
    ],
  },
}

function stockOf(available: number, reserved: number): Said {
  const reservations = [{ fields: { quantity: 10 } }, { fields: { quantity: 20 } }]
  return [one({ total: 100, available, reserved, sold: 10 }), reservations]
}

const stock: Scenario = {
  name: 'stock',
  sides: ['levels', 'reservations'],
  judge: judgeStock,
  behind: { side: 1, byDays: false },
  clean: () => stockOf(60, 30),
  near: () => stockOf(60, 30),
  breaks: {
    stock_drift: [
      variant('rebuild_reserved', () => stockOf(65, 25)),
      variant('investigate', () => stockOf(55, 35)),
      variant('investigate', () => stockOf(61, 29).map((side, n) => (n === 0 ? side : []))),
    ],
  },
}

const events: Scenario = {
  name: 'events',
  sides: ['produced', 'consumed'],
  judge: judgeEvents,
  behind: { side: 0, byDays: false },
  clean: (n) => [one({ seq: 5 + (n % 9) }), one({ seq: 5 + (n % 9) })],
  near: (n) => [one({ seq: n }), one({ seq: n })],
  breaks: {
    event_gap: [
      variant('resend_events', () => [one({ seq: 5 }), one({ seq: 3 })]),
      variant('resend_events', () => [one({ seq: 5 }), []]),
      variant('investigate', () => [one({ seq: 3 }), one({ seq: 5 })]),
    ],
  },
}

const deliveries: Scenario = {
  name: 'deliveries',
  sides: ['events', 'deliveries'],
  judge: judgeDeliveries,
  behind: { side: 1, byDays: false },
  clean: (n) => [
    one({}),
    one(n % 3 === 0 ? { state: 'scheduled', nextAt: 4e12, rearmed: 0 } : { state: 'acked' }),
  ],
  near: () => [one({}), one({ state: 'acked', rearmed: 1 })],
  breaks: {
    undelivered_webhook: [
      variant('rearm_delivery', () => [one({}), []]),
      variant('rearm_delivery', () => [one({}), one({ state: 'exhausted', rearmed: 0 })]),
      variant('rearm_delivery', () => [
        one({}),
        one({ state: 'scheduled', nextAt: 1, rearmed: 0 }),
      ]),
      variant('investigate', () => [one({}), one({ state: 'exhausted', rearmed: 1 })]),
    ],
  },
}

const values = (sum: number, value: number): Said => [one({ value: sum }), one({ value })]

const balances: Scenario = {
  name: 'balances',
  sides: ['postings', 'balances'],
  judge: judgeBalances,
  behind: { side: 0, byDays: false },
  clean: (n) => [[...one({ value: n }), ...one({ value: -3 })], one({ value: n - 3 })],
  near: (n) => values(n, n),
  breaks: {
    balance_drift: [
      variant('investigate', (n) => values(n, n + 1)),
      variant('investigate', () => [one({ value: 7 }), []]),
    ],
  },
}

const counters: Scenario = {
  name: 'followers',
  sides: ['edges', 'counters'],
  judge: judgeCounts({ absolute: 2 }),
  behind: { side: 1, byDays: false },
  clean: (n) => values(7 + (n % 500), 7 + (n % 500)),
  near: (n) => values(n, n + 2),
  breaks: { counter_drift: [variant('recount', (n) => values(n, n + 3))] },
}

const edge = (version: number, active = 1) => one({ version, active })

const twins: Scenario = {
  name: 'twins',
  sides: ['follow', 'follower'],
  judge: judgeTwins,
  behind: { side: 0, byDays: false },
  clean: (n) => [edge(2, (n + 1) % 2), edge(2, (n + 1) % 2)],
  near: () => [edge(2, 0), []],
  breaks: {
    twin_drift: [
      variant('copy_twin', () => [edge(1), []]),
      variant('copy_twin', () => [edge(3, 0), edge(2, 1)]),
      variant('investigate', () => [edge(2, 0), edge(2, 1)]),
    ],
  },
}

const hot = (value: number, seq: number) => one({ value, seq })

const hotView: Scenario = {
  name: 'hot view',
  sides: ['rows', 'redis'],
  judge: judgeHotView,
  behind: { side: 0, byDays: false },
  clean: (n) => [hot(n, 4), n % 2 === 0 ? hot(n, 4) : []],
  near: (n) => [hot(n, 4), []],
  breaks: {
    hot_view_drift: [
      variant('refill_hot_view', (n) => [hot(n, 4), hot(n - 1, 3)]),
      variant('refill_hot_view', (n) => [hot(n, 4), hot(n - 1, 4)]),
      variant('investigate', (n) => [hot(n, 4), hot(n, 5)]),
    ],
  },
}

/** All classes, in records as the house has them. */
export const scenarios: readonly Scenario[] = [
  payments,
  sagas,
  stock,
  events,
  deliveries,
  balances,
  counters,
  twins,
  hotView,
]
