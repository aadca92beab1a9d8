import type { Call } from '@stoa/kernel'
import type { Once } from '@stoa/messaging'
import type { Outcome } from '@stoa/transactions'

import type { OpenOperation, Payment } from './payment.ts'
import type { ProviderRecord, Subject } from './provider.ts'

/** How a record was come by. */
export type Learnt = {
  /** The branch's try ends with it, when it says how the authorisation ended. */
  readonly tries?: boolean
  /** The callback that told; it is remembered with what it told. */
  readonly callback?: string
  /** The request that is answered with it: the answer commits with the facts. */
  readonly answers?: { readonly once: Once; readonly answer: StoredAnswer }
}

/** The answer of a request that was worked on in several steps. */
export type StoredAnswer =
  | { readonly ok: true; readonly reply: unknown }
  | { readonly ok: false; readonly reason: string }

export type Absorbed = {
  /** What the try came to; `undefined` when none was. */
  readonly tried: Outcome | undefined
  /** The branch was cancelled, and there is money to give back: it is asked for from now on. */
  readonly undo: boolean
}

export type Wish = {
  readonly payment: string
  readonly name: string
  readonly kind: OpenOperation['kind']
  /** Absent: all that is left. */
  readonly amountMinor?: number | undefined
}

/**
 * How far a request of several steps is. `mine`: go on from here. `answered`: it is done. `busy`: somebody else works
 * on it, for at most so long.
 */
export type Begun<T> =
  | { readonly turn: 'mine'; readonly work: T }
  | { readonly turn: 'answered'; readonly answer: StoredAnswer }
  | { readonly turn: 'busy'; readonly waitMs: number }

export type Asked = { readonly payment: Payment; readonly operation: OpenOperation }

export type TopUp = {
  readonly subject: Subject
  readonly provider: string
  readonly amountMinor: number
  readonly currency: string
  readonly createdAt: number
}

export type PaymentStore = {
  /** One round trip. */
  get(id: string, call: Call): Promise<Payment | undefined>
  /** One round trip. */
  ofOrder(order: string, call: Call): Promise<readonly Payment[]>
  /**
   * Writes what of a record is not known yet, with its ledger entries and events, in one batch; the rest changes
   * nothing, however often, late and in whatever order records come. One round trip.
   *
   * @throws PaymentMismatchError when it does not fit what was agreed.
   */
  absorb(record: ProviderRecord, learnt: Learnt, call: Call): Promise<Absorbed>
  /** Binds an authorised payment to its order. One round trip. @throws BranchOrderError */
  bind(subject: Subject, call: Call): Promise<Outcome>
  /** Remembers that the branch is cancelled, whatever comes, and asks for what it holds. One round trip. */
  cancel(subject: Subject, call: Call): Promise<Outcome>
  /**
   * Writes down what is to be asked of the provider, with the key's row. One round trip; for a repeat two or three.
   *
   * @throws PaymentNotFoundError, PaymentNotBoundError, CaptureExceededError, NothingToVoidError, RefundExceededError,
   *   NotRefundableError, KeyReusedError: nothing was written.
   */
  ask(once: Once, wish: Wish, call: Call): Promise<Begun<Asked>>
  /** As `ask`, for a new payment into a wallet. */
  openTopUp(once: Once, topUp: TopUp, call: Call): Promise<Begun<TopUp>>
  /** Lets the next request with the key go on at once. One round trip. */
  release(once: Once, payment: string, call: Call): Promise<void>
  /** Operations of a payment whose answer is not known. One round trip. */
  openOf(payment: string, call: Call): Promise<readonly Asked[]>
}
