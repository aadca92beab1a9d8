import { type PspPayment } from './model.ts'

/** The signs of the kinds that move money; an authorisation moves none. */
const signs: Readonly<Record<string, number>> = { capture: 1, refund: -1, chargeback: -1 }

export const statementHeader = 'operation,payment,key,kind,amount_minor,currency,at'

/**
 * Everything that moved money on a UTC day, as the provider has it, one CSV line each, the oldest first: what to
 * reconcile against.
 */
export function statementOf(payments: readonly PspPayment[], day: string): string {
  const lines = payments.flatMap((payment) =>
    payment.operations
      .filter(({ kind, state, at }) => {
        const isThen = new Date(at).toISOString().startsWith(day)
        return isThen && state === 'succeeded' && kind in signs
      })
      .map(({ ref, key, kind, amountMinor, at }) => {
        const amount = amountMinor * (signs[kind] ?? 0)
        const when = new Date(at).toISOString()
        return { at, line: [ref, payment.ref, key, kind, amount, payment.currency, when].join() }
      }),
  )
  const sorted = lines.toSorted((one, other) => one.at - other.at).map(({ line }) => line)
  return `${[statementHeader, ...sorted].join('\n')}\n`
}
