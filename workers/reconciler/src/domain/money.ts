import { prefixOfText } from '@stoa/kernel'
import { type Digested, judgePayments } from '@stoa/reconciliation'

import { named } from './judges.ts'

/** Who tells of an operation that moved money: the provider's statement, or our own ledger. */
export type Source = 'provider' | 'ledger'

/** One operation that moved money, as one of the two tells of it. */
export type MoneyEntry = {
  /** The provider's name of the operation. */
  readonly operation: string
  /** The provider's name of the payment; null where it names none. */
  readonly payment: string | null
  readonly kind: 'capture' | 'refund' | 'chargeback'
  /** Minor units, never below zero. */
  readonly amount: number
  readonly currency: string
  /** By the provider's clock. */
  readonly at: number
}

const dayMs = 86_400_000

/** Days since 1970, in UTC. */
export function dayOf(at: number): number {
  return Math.floor(at / dayMs)
}

export function dayText(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10)
}

/** Of an operation: the same on both sides, and begins with a place, so that it is kept there. */
export function keyOfOperation(operation: string): string {
  return `${prefixOfText(operation)}:${operation}`
}

/** What both sides have alike. */
export function digested({ operation, kind, amount, currency }: MoneyEntry): Digested {
  return { key: keyOfOperation(operation), fields: { kind, amount, currency } }
}

const rules = {
  fields: { amount: {}, currency: 'exact', kind: 'exact' },
  cutOffMs: 3_600_000,
} as const

/**
 * Our operations and the provider's, by operation. One that we do not know is to be heard again, by its payment; without
 * one it is money of nobody's.
 */
export const judgeStatement = named('statement', (group, look) => {
  const { key, entries } = group
  const [ours = [], theirs = []] = entries
  const known = ours.map((entry) => ({
    ...entry,
    fields: { ...entry.fields, state: 'paid', payment: entry.fields['payment'] ?? key },
  }))
  const provided = theirs.map((entry) => ({
    ...entry,
    fields: { ...entry.fields, id: key.slice(6), state: 'captured' },
  }))
  const ofPayments = theirs.filter(({ fields }) => fields['payment'] !== null)
  const heard =
    known.length > 0
      ? known
      : ofPayments.map((entry) => ({ ...entry, fields: { state: 'placed', payment: null } }))
  const sides = [heard, provided, known]
  return judgePayments(rules)({ key, entries: sides }, look)
})

/** The days before `day` whose statements may still change what is known: what is carried over is there on the third. */
export function statementDays(day: number): readonly number[] {
  return [day - 3, day - 2, day - 1]
}
