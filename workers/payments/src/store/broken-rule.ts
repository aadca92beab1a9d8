import { type Fault, SqlConstraintError } from '@stoa/kernel'
import { ledgerFault } from '@stoa/transactions'

import {
  CaptureExceededError,
  NothingToVoidError,
  NotRefundableError,
  PaymentBeingReturnedError,
  PaymentMismatchError,
  PaymentNotBoundError,
  PaymentNotFoundError,
  RefundExceededError,
} from '../domain/faults.ts'

type FaultClass = new (options?: ErrorOptions) => Fault

/** What the schema says when something is asked that the payment does not have. */
const asked: Readonly<Record<string, FaultClass>> = {
  payment_not_found: PaymentNotFoundError,
  payment_not_bound: PaymentNotBoundError,
  payment_being_returned: PaymentBeingReturnedError,
  capture_exceeds_authorisation: CaptureExceededError,
  nothing_to_void: NothingToVoidError,
  refund_exceeds_capture: RefundExceededError,
  payment_not_refundable: NotRefundableError,
}

/** What it says when the provider tells of what cannot be. */
const told: ReadonlySet<string> = new Set([
  'payment.amount_minor',
  // Another payment of the provider's under the same name here.
  'append_only',
  'authorisation_exceeds_payment',
  'capture_exceeds_authorisation',
  'refund_exceeds_capture',
])

/** The domain's word for a rule that a wish broke; any other error as it is. */
export function faultOfWish(error: unknown): unknown {
  if (!(error instanceof SqlConstraintError)) return error
  const Known = asked[error.constraint]
  return Known === undefined ? ledgerFault(error) : new Known({ cause: error })
}

/** The domain's word for a rule that a provider's record broke; any other error as it is. */
export function faultOfRecord(error: unknown): unknown {
  if (!(error instanceof SqlConstraintError)) return error
  return told.has(error.constraint)
    ? new PaymentMismatchError({ cause: error })
    : ledgerFault(error)
}
