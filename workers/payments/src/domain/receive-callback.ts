import type { Call } from '@stoa/kernel'

import { ProviderUnavailableError } from './faults.ts'
import type { Learnt } from './ports.ts'
import type { ProviderRecord } from './provider.ts'
import { type BranchDeps, isDecided, undoNow } from './run-branch.ts'

/**
 * Takes a payment as its provider has it, with whatever follows from it: the branch's try ends, and what a cancelled
 * branch holds is given back. Any number of times, in any order.
 *
 * @throws PaymentMismatchError
 */
export async function takeRecord(
  deps: BranchDeps,
  { record, learnt }: { readonly record: ProviderRecord; readonly learnt: Learnt },
  call: Call,
): Promise<void> {
  const all = { ...learnt, tries: isDecided(record) && record.isUnclaimed !== true }
  const { tried, undo } = await deps.payments.absorb(record, all, call)
  if (undo || tried === 'hanging') await undoNow(deps, record.subject.payment, call)
}

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
  // What is nobody's is in our books only once somebody has given some of it back.
  const isForeign =
    record.isUnclaimed === true && !(await payments.get(record.subject.payment, call))
  if (isForeign) return
  await takeRecord(deps, { record, learnt: { callback: callback.event } }, call)
}
