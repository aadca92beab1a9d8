import type { Clock } from '@stoa/kernel'
import { judgeBalances, judgePayments } from '@stoa/reconciliation'

import { halved, named } from '../../domain/judges.ts'
import type { Plan } from '../../domain/plan.ts'
import { type Page, type ReaderOf, tableSide } from '../pages.ts'

const settleMs = 60_000

type Deps = { readonly readerOf: ReaderOf; readonly clock: Clock }

const money = `f.phase = 'succeeded' AND f.kind IN ('capture', 'refund', 'chargeback') AND f.amount_minor > 0`

/** A payment's operations and its entries lie in one slot, and one statement sees both as they are at one moment. */
const booked: Page = {
  columns: ['p.id'],
  select: (where) => `SELECT p.id AS key, p.created_at AS at, p.currency AS currency,
  (SELECT count(*) FROM payment_operation AS f WHERE f.payment = p.id AND ${money}) AS operations,
  (SELECT coalesce(sum(f.amount_minor * iif(f.kind = 'capture', 1, -1)), 0) FROM payment_operation AS f
    WHERE f.payment = p.id AND ${money}) AS moved,
  (SELECT count(*) FROM journal AS j WHERE j.account = p.id) AS entries,
  (SELECT coalesce(-sum(b.amount), 0) FROM posting AS b WHERE b.account = p.id AND b.book = 'external'
    AND b.currency = p.currency) AS booked
FROM payment AS p WHERE ${where}`,
}

const balances: Page = {
  columns: ['b.account', "b.book || ':' || b.currency"],
  select: (
    where,
  ) => `SELECT b.account || ':' || b.book || ':' || b.currency AS key, 0 AS at, b.credit - b.debit AS value,
  (SELECT coalesce(sum(e.amount), 0) FROM posting AS e
    WHERE e.account = b.account AND e.book = b.book AND e.currency = b.currency) AS sum
FROM balance AS b WHERE ${where}`,
}

/** Each operation that moved money has its entry, and each entry its operation. */
function judgeBooked() {
  const judge = judgePayments()
  return halved(judge, ({ currency = null, operations, moved = 0, entries, booked: sum = 0 }) => [
    Number(operations) === 0
      ? undefined
      : { state: 'paid', payment: null, amount: moved, currency },
    undefined,
    Number(entries) === 0
      ? undefined
      : // As many entries as operations: another number is another sum, whatever it comes to.
        { amount: entries === operations ? sum : null, currency },
  ])
}

export function ledgerPlans({ readerOf, clock }: Deps): readonly Plan[] {
  const reader = readerOf('payments')
  const side = (name: string, page: Page) => tableSide(name, { reader, page, clock })
  const changes = {
    keyspace: 'payments',
    types: ['payment.captured', 'payment.refunded', 'payment.charged_back'],
    keysOf: ({ aggregate }: { readonly aggregate: string }) => [aggregate],
  }
  return [
    {
      comparison: {
        name: 'ledger',
        settleMs,
        sides: [side('payments', booked)],
        judge: named('ledger', judgeBooked()),
      },
      changes,
    },
    {
      comparison: {
        name: 'balances',
        settleMs,
        sides: [side('balances', balances)],
        judge: named(
          'balances',
          halved(judgeBalances, ({ sum = 0, value = 0 }) => [{ value: sum }, { value }]),
        ),
      },
      changes,
    },
  ]
}
