import type { Call } from '@stoa/kernel'
import type { Once } from '@stoa/messaging'
import type { Outcome } from '@stoa/transactions'

import type { OpenOperation, Payment } from './payment.ts'
import type { Fact, ProviderRecord, Subject } from './provider.ts'

/** How a record was come by. */
export type Learnt = {
  /** The branch's try ends with it, when it says how the authorisation ended. */
  readonly tries?: boolean
  /** The callback that told; it is remembered with what it told. */
  readonly callback?: string
  /** What made somebody ask the provider, when it was neither a callback nor a request of its own. */
  readonly cause?: string
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

/** What of an order's money is left to give back. */
export type Returning = {
  readonly payment: string
  /** Promised or taken, and not given back; or asked for, with an answer that is not known. */
  readonly isHeld: boolean
  /** Why the provider refused to give it back. */
  readonly refused: string | null
}

/** An order's money on its way back. Each costs one round trip, and may come any number of times. */
export type ReturnStore = {
  /** From now on nothing more is taken. */
  hold(branch: ReturnBranch, call: Call): Promise<Outcome>
  /** Money may be taken again. @throws BranchOrderError when it is being given back. */
  let(branch: ReturnBranch, call: Call): Promise<Outcome>
  /**
   * Writes down to ask for all that is held, when it is not asked for already, and the provider has not refused it.
   *
   * @throws BranchOrderError when it was not kept from being taken first.
   */
  askBack(branch: ReturnBranch, call: Call): Promise<void>
  left(order: string, call: Call): Promise<readonly Returning[]>
  /** Writes down to ask for one refund under its name, once. @throws RefundExceededError, PaymentNotFoundError */
  askRefund(
    wish: { readonly payment: string; readonly name: string; readonly amountMinor: number },
    cause: string,
    call: Call,
  ): Promise<void>
  /** How an operation ended. */
  endOf(
    payment: string,
    name: string,
    call: Call,
  ): Promise<{ readonly phase: string; readonly code: string | null } | undefined>
}

/** The branch of the saga that cancels an order. */
export type ReturnBranch = { readonly order: string; readonly gid: string; readonly branch: string }

/** A payment with what moved money of it, and what the ledger has of that. */
export type BookedPayment = {
  readonly subject: Subject
  readonly currency: string
  readonly moved: readonly Pick<Fact, 'name' | 'kind' | 'amountMinor'>[]
  /** By what caused it: what came from the world outside. */
  readonly booked: ReadonlyMap<string, number>
  /** The causes that the payer's wallet has booked; of a top-up alone. */
  readonly credited: ReadonlySet<string>
}

export type BookStore = {
  /** One round trip: operations and entries as they are at one moment. */
  booked(payment: string, call: Call): Promise<BookedPayment | undefined>
  /** Appends the entries of operations that have none. One round trip, safe to repeat. */
  book(
    payment: Pick<BookedPayment, 'subject' | 'currency'>,
    operations: BookedPayment['moved'],
    call: Call,
  ): Promise<void>
}
