import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { SqlValue } from '@stoa/kernel'

import type { BookedPayment, BookStore } from '../domain/ports.ts'
import { entriesOf, unlessBooked } from './fact-statements.ts'

/** All in one statement: what is between an operation and its entry is there in no moment. */
const bookedSql = `SELECT p.buyer, p.order_id, p.gid, p.branch, p.currency,
  (SELECT json_group_array(json_array(name, kind, amount_minor)) FROM (
    SELECT name, kind, amount_minor FROM payment_operation WHERE payment = p.id AND phase = 'succeeded'
      AND kind IN ('capture', 'refund', 'chargeback') AND amount_minor > 0 ORDER BY n)) AS moved,
  (SELECT json_group_array(json_array(j.source, (SELECT sum(line.value ->> 2) FROM json_each(j.lines) AS line
    WHERE line.value ->> 0 = 'external'))) FROM journal AS j WHERE j.account = p.id) AS booked,
  (SELECT json_group_array(j.source) FROM journal AS j WHERE j.account = p.buyer
    AND j.source > p.id || ':' AND j.source < p.id || ';') AS credited
FROM payment AS p WHERE p.id = ?`

function textOf(value: SqlValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function paymentOf(payment: string, row: readonly SqlValue[]): BookedPayment {
  const [buyer, order, gid, branch, currency, moved, booked, credited] = row
  // Made by the statement above.
  const operations = JSON.parse(String(moved)) as readonly (readonly [string, string, number])[]
  return {
    subject: {
      payment,
      buyer: String(buyer),
      order: textOf(order),
      gid: textOf(gid),
      branch: textOf(branch),
    },
    currency: String(currency),
    moved: operations.map(([name, kind, amountMinor]) => ({
      name,
      kind: kind as BookedPayment['moved'][number]['kind'],
      amountMinor,
    })),
    booked: new Map(JSON.parse(String(booked)) as readonly (readonly [string, number])[]),
    credited: new Set(JSON.parse(String(credited)) as readonly string[]),
  }
}

export function bookStore({ router, clock }: KeyspaceAccess): BookStore {
  return {
    booked: async (payment, call) => {
      const { rows } = await router.read(payment, { sql: bookedSql, args: [payment] }, call)
      const [row] = rows
      return row === undefined ? undefined : paymentOf(payment, row)
    },
    book: async ({ subject, currency }, operations, call) => {
      // Of this moment, for it is booked now: whoever reads the ledger in its order finds it.
      const occasion = { now: clock.now(), gateOf: unlessBooked }
      const statements = operations.flatMap((operation) =>
        entriesOf({ subject, currency }, { ...operation, phase: 'succeeded' }, occasion),
      )
      const { payment, buyer, order } = subject
      await router.writeAll(order === null ? [payment, buyer] : [payment], statements, call)
    },
  }
}
