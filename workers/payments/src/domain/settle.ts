import type { Call } from '@stoa/kernel'

import { ProviderUnavailableError } from './faults.ts'
import { operationKey, subjectOf } from './payment.ts'
import type { Asked, Learnt, PaymentStore } from './ports.ts'
import type { ProviderRecord } from './provider.ts'
import type { Providers } from './providers.ts'

export type SettleDeps = {
  readonly payments: PaymentStore
  readonly providers: Providers
}

/** A refusal as a record: the one fact that the operation failed. */
function refusalOf({ payment, operation }: Asked, code: string): ProviderRecord {
  const { provider, providerRef, amountMinor, currency } = payment
  const { name, kind, at } = operation
  const ref = providerRef ?? ''
  const failed = { name, kind, phase: 'failed', amountMinor: operation.amountMinor } as const
  return {
    provider,
    ref,
    amountMinor,
    currency,
    subject: subjectOf(payment),
    facts: [{ ...failed, ref: `${ref}:${name}`, code, at }],
  }
}

/**
 * Asks the provider for what is written down as asked, and writes down what it says: asked again it is the same
 * operation. Two round trips.
 *
 * Answers why the provider refused, or nothing when it did it.
 *
 * @throws ProviderUnavailableError when it does not say: the operation stays open.
 */
export async function settle(
  { payments, providers }: SettleDeps,
  {
    asked,
    learnt,
  }: {
    readonly asked: Asked
    readonly learnt: (refused: string | undefined) => Learnt
  },
  call: Call,
): Promise<string | undefined> {
  const { payment, operation } = asked
  const subject = subjectOf(payment)
  if (payment.providerRef === null) throw new ProviderUnavailableError('it has not answered yet')
  const request = {
    ...operation,
    key: operationKey(subject, operation.name),
    ref: payment.providerRef,
  }
  const answer = await providers.named(payment.provider).operate(request, call)
  if (answer.outcome === 'unknown') throw new ProviderUnavailableError(answer.why)
  if (answer.outcome === 'refused') {
    await payments.absorb(refusalOf(asked, answer.code), learnt(answer.code), call)
    return answer.code
  }
  await payments.absorb(answer.record, learnt(undefined), call)
  return undefined
}

/** Asks for all that is open of a payment, one after another. @throws the first failure, when all were asked for. */
export async function settleOpen(deps: SettleDeps, payment: string, call: Call): Promise<number> {
  const open = await deps.payments.openOf(payment, call)
  const failures: unknown[] = []
  for (const asked of open) {
    await settle(deps, { asked, learnt: () => ({}) }, call).catch((error: unknown) =>
      failures.push(error),
    )
  }
  if (failures.length > 0) throw failures[0]
  return open.length
}
