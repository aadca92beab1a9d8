import type { Call } from '@stoa/kernel'

export type OperationKind = 'authorise' | 'capture' | 'void' | 'refund' | 'chargeback'

/** One thing that a provider did to a payment, or refused to do. */
export type Fact = {
  /** Tells the operations of a payment apart, at the provider and here. */
  readonly name: string
  readonly kind: OperationKind
  readonly phase: 'action_required' | 'succeeded' | 'failed'
  readonly amountMinor: number
  readonly ref: string
  readonly code: string | null
  /** Milliseconds since 1970, by the provider's clock. */
  readonly at: number
}

/** Whose payment it is. The provider keeps it and says it again with everything, so that a callback finds its way. */
export type Subject = {
  readonly payment: string
  readonly buyer: string
  /** Null for a top-up, as are the two of the saga. */
  readonly order: string | null
  readonly gid: string | null
  readonly branch: string | null
}

/** A payment as its provider has it, whole. What is absorbed is always this, never a single message. */
export type ProviderRecord = {
  readonly provider: string
  readonly ref: string
  readonly subject: Subject
  /** The provider has it from somebody else: the subject only says where it would lie here. */
  readonly isUnclaimed?: true
  readonly amountMinor: number
  readonly currency: string
  /** In the order they happened. */
  readonly facts: readonly Fact[]
}

/**
 * What is known after asking. `refused`: the provider says no, and has changed nothing. `unknown`: there was no answer,
 * or none that says; it may have happened, and is asked again under the same key.
 */
export type Answer =
  | { readonly outcome: 'known'; readonly record: ProviderRecord }
  | { readonly outcome: 'refused'; readonly code: string }
  | { readonly outcome: 'unknown'; readonly why: string }

/** `absent`: the provider knows of no such payment now; a request under way may still make one. */
export type Found = Answer | { readonly outcome: 'absent' }

/** By the provider's own name of a payment, or by the key it was authorised under. */
export type Which = { readonly ref: string } | { readonly key: string }

export type AuthoriseRequest = {
  readonly key: string
  readonly subject: Subject
  readonly amountMinor: number
  readonly currency: string
  /** What the provider's own form made of a card. */
  readonly token: string
  /** Takes the money at once. */
  readonly captureAtOnce: boolean
}

/** A later operation on a payment. */
export type OperationRequest = {
  readonly key: string
  readonly name: string
  readonly kind: 'capture' | 'void' | 'refund'
  readonly ref: string
  /** Of a void it is all that is left, whatever this says. */
  readonly amountMinor: number
}

/** One movement of money in a provider's statement; a refund and a chargeback are below zero. */
export type StatementLine = {
  readonly operation: string
  readonly ref: string
  readonly kind: 'capture' | 'refund' | 'chargeback'
  readonly amountMinor: number
  readonly currency: string
  readonly at: number
}

/** What is left of a callback when its signature is good: that something happened to a payment. */
export type Callback = { readonly event: string; readonly ref: string }

/**
 * A payment service provider. Each operation is asked under a key: asked again under it, nothing happens twice, and the
 * answer is how the payment stands now. None throws for what the provider says or leaves unsaid.
 */
export type Provider = {
  readonly name: string
  authorise(request: AuthoriseRequest, call: Call): Promise<Answer>
  /** Captures a part, several one after another; voids the rest; refunds a part, several one after another. */
  operate(request: OperationRequest, call: Call): Promise<Answer>
  query(which: Which, call: Call): Promise<Found>
  /** What moved money on a UTC day, `YYYY-MM-DD`. @throws ProviderUnavailableError */
  statement(day: string, call: Call): Promise<readonly StatementLine[]>
  /** @throws BadCallbackError for a forged, altered or stale one. `undefined`: it is about no payment. */
  readCallback(request: Request, body: string): Promise<Callback | undefined>
}
