import { clientOf, type Links } from '@stoa/contracts'
import { payments } from '@stoa/contracts/payments'

import type { Statements } from '../domain/feeds.ts'
import type { Config } from '../env.ts'

/** The provider's statements, by way of the payments service; a deployment without a provider has empty ones. */
export function providerStatements(
  { PAYMENTS_PROVIDER: provider }: Pick<Config, 'PAYMENTS_PROVIDER'>,
  { fetcher }: Pick<Links, 'fetcher'>,
): Statements {
  return {
    ofDay: async (day, call) => {
      if (provider === undefined) return []
      const params = { provider, day }
      const { items } = await clientOf(payments, fetcher('payments')).getPaymentStatement(
        { params },
        call,
      )
      return items.map(({ amountMinor, at, ...item }) => ({
        ...item,
        amount: Math.abs(amountMinor),
        at: Date.parse(at),
      }))
    },
  }
}
