import type { Call } from '@stoa/kernel'

import { ProviderUnavailableError } from './faults.ts'
import { type BranchDeps, isDecided, undoNow } from './run-branch.ts'

/**
 * Takes a provider's word that something happened to a payment, and asks the provider what: so callbacks may come
 * twice, late and in any order, and what a forged one says is never written. Two round trips.
 *
 * @throws BadCallbackError; ProviderUnavailableError, PaymentMismatchError: the provider calls again.
 */
export async function receiveCallback(
  deps: BranchDeps,
  {
    provider: name,
    request,
    body,
  }: {
    readonly provider: string
    readonly request: Request
    readonly body: string
  },
  call: Call,
): Promise<void> {
  const { providers, payments } = deps
  const provider = providers.named(name)
  const callback = await provider.readCallback(request, body)
  if (callback === undefined) return
  const found = await provider.query({ ref: callback.ref }, call)
  // Another system's payment at the same provider, or one that the provider has forgotten.
  if (found.outcome === 'absent' || found.outcome === 'refused') return
  if (found.outcome === 'unknown') throw new ProviderUnavailableError(found.why)
  const { record } = found
  const learnt = { tries: isDecided(record), callback: callback.event }
  const { tried, undo } = await payments.absorb(record, learnt, call)
  if (undo || tried === 'hanging') await undoNow(deps, record.subject.payment, call)
}
