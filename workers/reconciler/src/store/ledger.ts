import type { SqlValue } from '@stoa/kernel'

import { type Ledger, ledgerPosition } from '../domain/feeds.ts'
import type { MoneyEntry } from '../domain/money.ts'
import type { Reader } from './pages.ts'

const pageMax = 500

function entryOf(row: readonly SqlValue[]): MoneyEntry {
  const [, , , operation, payment, kind, amount, currency, at] = row
  return {
    operation: String(operation),
    payment: payment === null || payment === undefined ? null : String(payment),
    // The CHECK of the table names the kinds; the query takes these three.
    kind: String(kind) as MoneyEntry['kind'],
    amount: Number(amount),
    currency: String(currency),
    at: Number(at),
  }
}

/** What the ledger has booked of operations, by the time of booking: an index has it. One round trip to each shard a page. */
export function ledgerOf(payments: Reader): Ledger {
  return {
    booked: async ({ position, to }, call) => {
      const [at, account, seq] = JSON.parse(position) as readonly [number, string, number]
      const { rows } = await payments.scatter(
        {
          select: (isOwned) => ({
            sql: `SELECT j.at AS booked, j.account AS account, j.seq AS seq, f.provider_ref AS operation,
  p.provider_ref AS payment, f.kind AS kind, f.amount_minor AS amount, p.currency AS currency, f.at AS at
FROM journal AS j INDEXED BY journal_at JOIN payment AS p ON p.id = j.account
JOIN payment_operation AS f ON f.payment = j.account AND f.name = substr(j.source, 22) AND f.stage = 2
WHERE j.at >= ? AND j.at < ? AND (j.at, j.account, j.seq) > (?, ?, ?) AND f.kind IN ('capture', 'refund', 'chargeback')
  AND f.provider_ref IS NOT NULL AND ${isOwned('j.account')} ORDER BY j.at, j.account, j.seq LIMIT ?`,
            args: [at, to, at, account, seq, pageMax],
          }),
          order: [{ column: 'booked' }, { column: 'account' }, { column: 'seq' }],
          limit: pageMax,
          unreachable: 'fail',
        },
        call,
      )
      const last = rows.rows.at(-1)
      const isFull = rows.rows.length === pageMax && last !== undefined
      const next = isFull
        ? ledgerPosition(Number(last[0]), String(last[1]), Number(last[2]))
        : undefined
      return { entries: rows.rows.map(entryOf), next }
    },
  }
}
