import { type Call, isFault } from '@stoa/kernel'
import { type Outcome, type Verdict, verdictOf } from '@stoa/transactions'

import { authoriseKey } from './payment.ts'
import type { Answer, Fact, Found, ProviderRecord, Subject } from './provider.ts'
import { settleOpen, type SettleDeps } from './settle.ts'

export type BranchRequest = {
  readonly op: 'try' | 'confirm' | 'cancel'
  readonly subject: Subject
  readonly amountMinor: number
  readonly currency: string
  readonly token: string
}

export type BranchDeps = SettleDeps & {
  readonly report: (error: unknown, requestId: string) => void
}

const unknown: Verdict = { outcome: 'pending', code: 'provider_unknown' }

export function authorisationOf({ facts }: ProviderRecord): Fact | undefined {
  return facts.findLast(({ kind }) => kind === 'authorise')
}

/** Whether a record says how its authorisation ended, and so what its branch came to. */
export function isDecided(record: ProviderRecord): boolean {
  const phase = authorisationOf(record)?.phase
  return record.subject.gid !== null && (phase === 'succeeded' || phase === 'failed')
}

/** What of it is still promised or taken, and can be given back. */
function isHolding({ facts }: ProviderRecord): boolean {
  const sum = (kind: Fact['kind']) =>
    facts
      .filter((fact) => fact.kind === kind && fact.phase === 'succeeded')
      .reduce((total, fact) => total + fact.amountMinor, 0)
  return (
    sum('authorise') > sum('capture') + sum('void') ||
    sum('capture') > sum('refund') + sum('chargeback')
  )
}

/** Gives back what a cancelled branch holds, now if it can be: it is written down as asked, and a sweep goes on. */
export async function undoNow(deps: BranchDeps, payment: string, call: Call): Promise<void> {
  await settleOpen(deps, payment, call).catch((error: unknown) => {
    if (!isFault(error)) deps.report(error, call.requestId)
  })
}

/** Asks once more, by the same key, when the provider did not say. */
async function authorise(deps: BranchDeps, request: BranchRequest, call: Call): Promise<Found> {
  const { subject, amountMinor, currency, token } = request
  const provider = deps.providers.current()
  const key = authoriseKey(subject)
  const asked = { key, subject, amountMinor, currency, token, captureAtOnce: false }
  const answer: Answer = await provider.authorise(asked, call)
  return answer.outcome === 'unknown' ? provider.query({ key }, call) : answer
}

/**
 * Authorises the payment: one call of the provider, one batch. The saga's row is the intention, so the provider is
 * asked first, under the branch's own key.
 */
async function tryBranch(deps: BranchDeps, request: BranchRequest, call: Call): Promise<Verdict> {
  const found = await authorise(deps, request, call)
  if (found.outcome === 'refused') return found
  if (found.outcome !== 'known') return unknown
  const { record } = found
  const { amountMinor, currency } = request
  const isAgreed = record.amountMinor === amountMinor && record.currency === currency
  if (!isAgreed) return { outcome: 'refused', code: 'payment_mismatch' }
  const tries = isDecided(record)
  const { tried, undo } = await deps.payments.absorb(record, { tries }, call)
  if (undo || tried === 'hanging') await undoNow(deps, record.subject.payment, call)
  const decided = authorisationOf(record)
  if (decided === undefined || tried === undefined)
    return { outcome: 'pending', code: 'requires_action' }
  if (decided.phase === 'failed') return { outcome: 'refused', code: decided.code ?? 'declined' }
  return verdictOf(tried)
}

/**
 * Gives back whatever the branch holds, also what the provider has of a try that is not known here. That the branch is
 * cancelled is written down first: what arrives later is given back when it does.
 */
async function cancelBranch(
  deps: BranchDeps,
  { subject }: BranchRequest,
  call: Call,
): Promise<Verdict> {
  await deps.payments.cancel(subject, call)
  const found = await deps.providers.current().query({ key: authoriseKey(subject) }, call)
  if (found.outcome === 'absent') return { outcome: 'done' }
  if (found.outcome !== 'known') return unknown
  const { record } = found
  const isWaiting = authorisationOf(record)?.phase === 'action_required'
  if (isWaiting) return voidWaiting(deps, record, call)
  await deps.payments.absorb(record, {}, call)
  if (!isHolding(record)) return { outcome: 'done' }
  await settleOpen(deps, subject.payment, call)
  return { outcome: 'done' }
}

/** A payment that waits for its payer is closed, so that nothing is authorised after all. */
async function voidWaiting(
  { providers, payments }: BranchDeps,
  record: ProviderRecord,
  call: Call,
): Promise<Verdict> {
  const { ref, subject, provider } = record
  const key = `${authoriseKey(subject)}:close`
  const request = { key, name: 'close', kind: 'void', ref, amountMinor: 0 } as const
  const answer = await providers.named(provider).operate(request, call)
  // Refused when the payer was quicker: asked again, there is something to void.
  if (answer.outcome !== 'known') return unknown
  await payments.absorb(answer.record, {}, call)
  return isHolding(answer.record) ? unknown : { outcome: 'done' }
}

/**
 * One operation of a payment's branch; each may come twice, late, at once, and the cancel before its try.
 *
 * @throws BranchOrderError, PaymentMismatchError, ProviderUnavailableError, ProviderMissingError.
 */
export async function runBranch(
  deps: BranchDeps,
  request: BranchRequest,
  call: Call,
): Promise<Verdict> {
  if (request.op === 'try') return tryBranch(deps, request, call)
  if (request.op === 'cancel') return cancelBranch(deps, request, call)
  const outcome: Outcome = await deps.payments.bind(request.subject, call)
  return verdictOf(outcome)
}
