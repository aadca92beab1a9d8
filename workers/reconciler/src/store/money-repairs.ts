import { type Client, clientOf, type Links } from '@stoa/contracts'
import { payments } from '@stoa/contracts/payments'
import { type Call, typedId } from '@stoa/kernel'

import {
  type Mending,
  type Repair,
  type Repairs,
  RepairUnavailableError,
} from '../domain/repairs.ts'
import type { Config } from '../env.ts'

type Provider = NonNullable<Config['PAYMENTS_PROVIDER']>
type Kind = 'capture' | 'refund' | 'chargeback'

const kinds: readonly Kind[] = ['capture', 'refund', 'chargeback']

/**
 * The operation of a statement that a discrepancy is about. What names no payment cannot be asked for: a person finds out
 * whose it is.
 *
 * @throws RepairUnavailableError
 */
function movedOf(
  { said, of, action, amount, idempotencyKey }: Mending,
  provider: Provider | undefined,
) {
  const { payment, id, currency } = said
  const kind = kinds.find((each) => each === said['kind'])
  const isNamed = typeof payment === 'string' && typeof id === 'string'
  if (provider === undefined || !isNamed || typeof currency !== 'string' || kind === undefined)
    throw new RepairUnavailableError(of, action)
  const operation = { payment, operation: id, amountMinor: amount, currency }
  return { ...operation, kind, provider, cause: idempotencyKey }
}

/** Repairs of money, by way of the payments service, which does each once however often and from wherever it is asked. */
export function moneyRepairs(
  { fetcher }: Pick<Links, 'fetcher'>,
  { PAYMENTS_PROVIDER: provider }: Pick<Config, 'PAYMENTS_PROVIDER'>,
): Repairs {
  const by = (
    work: (client: Client<typeof payments>, mending: Mending, call: Call) => unknown,
  ): Repair => {
    return async (mending, call) => {
      await work(clientOf(payments, fetcher('payments')), mending, call)
    }
  }
  const rebook = by((client, { key }, call) =>
    client.rebookPayment({ body: { payment: typedId('pay', key) } }, call),
  )
  return {
    'statement/replay_paid': by((client, mending, call) =>
      client.replayPayment({ body: movedOf(mending, provider) }, call),
    ),
    'statement/refund_unknown': by((client, mending, call) => {
      const { kind, ...body } = movedOf(mending, provider)
      // Only what came in can go back.
      if (kind !== 'capture') throw new RepairUnavailableError(mending.of, mending.action)
      return client.refundUnclaimed({ body }, call)
    }),
    'ledger/republish_order': rebook,
    'ledger/adjust': rebook,
  }
}
