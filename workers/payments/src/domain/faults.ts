import { Fault } from '@stoa/kernel'

/** There is no such payment for this caller. */
export class PaymentNotFoundError extends Fault {
  override readonly name = 'PaymentNotFoundError'
  override readonly code = 'payment_not_found'
  override readonly kind = 'not_found'
  constructor(options?: ErrorOptions) {
    super('Cannot find the payment: there is none, or it is not yours', options)
  }
}

/** The payment belongs to no confirmed order. */
export class PaymentNotBoundError extends Fault {
  override readonly name = 'PaymentNotBoundError'
  override readonly code = 'payment_not_bound'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot capture the payment: its order is not confirmed', options)
  }
}

export class CaptureExceededError extends Fault {
  override readonly name = 'CaptureExceededError'
  override readonly code = 'capture_exceeds_authorisation'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot capture so much: less of the payment is authorised and not taken', options)
  }
}

export class NothingToVoidError extends Fault {
  override readonly name = 'NothingToVoidError'
  override readonly code = 'nothing_to_void'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot void the payment: nothing of it is authorised and not taken', options)
  }
}

export class RefundExceededError extends Fault {
  override readonly name = 'RefundExceededError'
  override readonly code = 'refund_exceeds_capture'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot refund so much: less of the payment was taken and not given back', options)
  }
}

/** A top-up went into a wallet; what comes out of one is a transfer. */
export class NotRefundableError extends Fault {
  override readonly name = 'NotRefundableError'
  override readonly code = 'payment_not_refundable'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot refund the payment: it topped up a wallet', options)
  }
}

/** The provider says of a payment what does not fit what was agreed. Nothing was written: somebody must look. */
export class PaymentMismatchError extends Fault {
  override readonly name = 'PaymentMismatchError'
  override readonly code = 'payment_mismatch'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot take the word of the provider: amount, currency or payment do not match', options)
  }
}

/** The order of the payment is being cancelled: what is not taken yet stays untaken. */
export class PaymentBeingReturnedError extends Fault {
  override readonly name = 'PaymentBeingReturnedError'
  override readonly code = 'payment_being_returned'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot capture the payment: its order is being cancelled, or was', options)
  }
}

/** What was to be mended has changed: the provider has no such operation, or has it otherwise. Nothing was written. */
export class OperationGoneError extends Fault {
  override readonly name = 'OperationGoneError'
  override readonly code = 'payment_operation_gone'
  override readonly kind = 'failed_precondition'
  constructor() {
    super('Cannot take the operation: the provider has none such any more')
  }
}

/** The provider's payment is none that this system has made. Nothing was written. */
export class PaymentUnclaimedError extends Fault {
  override readonly name = 'PaymentUnclaimedError'
  override readonly code = 'payment_unclaimed'
  override readonly kind = 'failed_precondition'
  constructor() {
    super('Cannot take the payment for ours: the provider has it from somebody else')
  }
}

/** What was to be given back as nobody's is a payment of this system. Nothing was written. */
export class PaymentClaimedError extends Fault {
  override readonly name = 'PaymentClaimedError'
  override readonly code = 'payment_claimed'
  override readonly kind = 'failed_precondition'
  constructor() {
    super('Cannot give the money back as nobody’s: a payment of ours claims it')
  }
}

/** The ledger has of a payment what does not follow from its operations. Nothing was written: somebody must look. */
export class LedgerDisagreesError extends Fault {
  override readonly name = 'LedgerDisagreesError'
  override readonly code = 'ledger_disagrees'
  override readonly kind = 'failed_precondition'
  constructor() {
    super(
      'Cannot book what is missing: the ledger has entries that no operation of the payment says',
    )
  }
}

/** Another request with this key is being worked on. */
export class RequestInProgressError extends Fault {
  override readonly name = 'RequestInProgressError'
  override readonly code = 'request_in_progress'
  override readonly kind = 'aborted'
  override readonly retryable = true
  override readonly retryAfterMs: number
  constructor(retryAfterMs: number) {
    super('Cannot answer yet: a request with this Idempotency-Key is being worked on')
    this.retryAfterMs = retryAfterMs
  }
}

/** The provider said no, for good. Asked again under the same key it is the same. */
export class OperationRefusedError extends Fault {
  override readonly name = 'OperationRefusedError'
  override readonly code = 'payment_operation_refused'
  override readonly kind = 'failed_precondition'
  /** The provider's own word. */
  readonly reason: string
  constructor(reason: string) {
    super(`Cannot do it: the payment provider refuses (${reason})`)
    this.reason = reason
  }
}

/** The provider did not say. What was asked may have happened; asked again under the same key it happens once. */
export class ProviderUnavailableError extends Fault {
  override readonly name = 'ProviderUnavailableError'
  override readonly code = 'payment_provider_unavailable'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  constructor(why: string, options?: ErrorOptions) {
    super(`Cannot tell what the payment provider did: ${why}`, options)
  }
}

export class ProviderMissingError extends Fault {
  override readonly name = 'ProviderMissingError'
  override readonly code = 'payment_provider_missing'
  override readonly kind = 'failed_precondition'
  constructor(name: string) {
    super(`Cannot use the payment provider "${name}": this deployment has none of that name`)
  }
}

/** A callback that the provider did not sign, or not now. */
export class BadCallbackError extends Fault {
  override readonly name = 'BadCallbackError'
  override readonly code = 'bad_callback'
  override readonly kind = 'unauthenticated'
  constructor(why: string, options?: ErrorOptions) {
    super(`Cannot take the callback: ${why}`, options)
  }
}

export class TransferNotFoundError extends Fault {
  override readonly name = 'TransferNotFoundError'
  override readonly code = 'transfer_not_found'
  override readonly kind = 'not_found'
  constructor() {
    super('Cannot find the transfer: there is none, or you did not send it')
  }
}

export class TransferToSelfError extends Fault {
  override readonly name = 'TransferToSelfError'
  override readonly code = 'transfer_to_self'
  override readonly kind = 'invalid_argument'
  constructor() {
    super('Cannot send money to yourself')
  }
}
