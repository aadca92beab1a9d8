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
