import { Fault } from '@stoa/kernel'

/** A side gave its entries out of order: matching would have found breaks that are none. Nothing was judged wrongly. */
export class UnsortedSideError extends Fault {
  override readonly name = 'UnsortedSideError'
  override readonly code = 'unsorted_side'
  override readonly kind = 'failed_precondition'
  constructor(key: string, after: string) {
    super(`Cannot match: key "${key}" came after "${after}", and keys must ascend`)
  }
}
