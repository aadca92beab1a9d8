import type { Call } from '@stoa/kernel'

import {
  LedgerDisagreesError,
  OperationGoneError,
  OperationRefusedError,
  PaymentClaimedError,
  PaymentNotFoundError,
  PaymentUnclaimedError,
  ProviderUnavailableError,
} from './faults.ts'
import { unclaimedReturnOf } from './payment.ts'
import type { BookedPayment, BookStore, ReturnStore } from './ports.ts'
import type { Fact, ProviderRecord } from './provider.ts'
import { takeRecord } from './receive-callback.ts'
import type { BranchDeps } from './run-branch.ts'
import { settleOpen } from './settle.ts'

/** An operation that moved money, as a statement of the provider's has it. */
export type Moved = {
  readonly provider: string
  readonly ref: string
  readonly operation: string
  readonly kind: 'capture' | 'refund' | 'chargeback'
  readonly amountMinor: number
  readonly currency: string
  /** What asks for it. */
  readonly cause: string
}

export type MendDeps = BranchDeps & { readonly returns: ReturnStore; readonly books: BookStore }

/** A payment as the provider has it now. @throws ProviderUnavailableError, OperationGoneError */
async function recordOf(
  { providers }: BranchDeps,
  moved: Moved,
  call: Call,
): Promise<ProviderRecord> {
  const found = await providers.named(moved.provider).query({ ref: moved.ref }, call)
  if (found.outcome === 'unknown') throw new ProviderUnavailableError(found.why)
  if (found.outcome !== 'known') throw new OperationGoneError()
  return found.record
}

/**
 * The operation of a statement in its payment. A statement may have a name of its own for it: then it is the only one
 * of its kind and amount.
 *
 * @throws OperationGoneError
 */
function operationIn({ facts, currency }: ProviderRecord, moved: Moved): Fact {
  const alike = facts.filter(
    ({ kind, phase, amountMinor }) =>
      kind === moved.kind && phase === 'succeeded' && amountMinor === moved.amountMinor,
  )
  const named = alike.find(({ ref }) => ref === moved.operation)
  const [only, other] = alike
  const found = named ?? (other === undefined ? only : undefined)
  if (found === undefined || currency !== moved.currency) throw new OperationGoneError()
  return found
}

/**
 * Takes the provider's word on a payment of ours of which it moved something that is not known here: by the same code
 * as a callback of it would. Two round trips.
 *
 * @throws PaymentUnclaimedError, OperationGoneError: nothing was written, somebody must look.
 * @throws ProviderUnavailableError, PaymentMismatchError, ProviderMissingError.
 */
export async function replayPayment(
  deps: MendDeps,
  moved: Moved,
  call: Call,
): Promise<{ readonly payment: string }> {
  const record = await recordOf(deps, moved, call)
  if (record.isUnclaimed === true) throw new PaymentUnclaimedError()
  operationIn(record, moved)
  await takeRecord(deps, { record, learnt: { cause: moved.cause } }, call)
  return { payment: record.subject.payment }
}

/**
 * Gives back what the provider took with one operation that is nobody's, once for that operation, whoever asks and
 * however often. It gets into our books as a payment of nobody's, so that both, what came and what went, are there on
 * both sides.
 *
 * @throws PaymentClaimedError, OperationGoneError, RefundExceededError, OperationRefusedError: somebody must look.
 * @throws ProviderUnavailableError: ask again. ProviderMissingError.
 */
export async function refundUnclaimed(
  deps: MendDeps,
  moved: Moved,
  call: Call,
): Promise<{ readonly payment: string }> {
  const record = await recordOf(deps, moved, call)
  if (record.isUnclaimed !== true) throw new PaymentClaimedError()
  const { ref, amountMinor } = operationIn(record, moved)
  const { payment } = record.subject
  const { cause } = moved
  const name = unclaimedReturnOf(ref)
  await takeRecord(deps, { record, learnt: { cause } }, call)
  await deps.returns.askRefund({ payment, name, amountMinor }, cause, call)
  await settleOpen(deps, payment, call)
  const end = await deps.returns.endOf(payment, name, call)
  if (end?.phase === 'failed') throw new OperationRefusedError(end.code ?? 'refused')
  if (end === undefined) throw new ProviderUnavailableError('it has not answered yet')
  return { payment }
}

function sourceOf({ subject }: Pick<BookedPayment, 'subject'>, name: string): string {
  return `${subject.payment}:${name}`
}

/** Operations without an entry. @throws LedgerDisagreesError */
function unbooked(found: BookedPayment): BookedPayment['moved'] {
  const expected = new Map(
    found.moved.map(({ name, kind, amountMinor }) => [
      sourceOf(found, name),
      kind === 'capture' ? -amountMinor : amountMinor,
    ]),
  )
  for (const [source, external] of found.booked)
    if (expected.get(source) !== external) throw new LedgerDisagreesError()
  return found.moved.filter(({ name }) => {
    const source = sourceOf(found, name)
    const isWallet = found.subject.order === null
    return !found.booked.has(source) || (isWallet && !found.credited.has(source))
  })
}

/**
 * Appends the entries that follow from a payment's own operations and are not in the ledger; never changes one. Two round
 * trips, one when there is nothing to do.
 *
 * @throws PaymentNotFoundError; LedgerDisagreesError when there is what does not follow; InsufficientFundsError.
 */
export async function rebookPayment(
  { books }: MendDeps,
  payment: string,
  call: Call,
): Promise<{ readonly payment: string; readonly booked: number }> {
  const found = await books.booked(payment, call)
  if (found === undefined) throw new PaymentNotFoundError()
  const missing = unbooked(found)
  if (missing.length > 0) await books.book(found, missing, call)
  return { payment, booked: missing.length }
}
