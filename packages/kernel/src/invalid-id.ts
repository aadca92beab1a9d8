import { Fault } from './fault.ts'

/** A text that should be an id, or the beginning of one, is not spelled as one. */
export class InvalidIdError extends Fault {
  override readonly name = 'InvalidIdError'
  override readonly code = 'invalid_id'
  override readonly kind = 'invalid_argument'
  /** What was wanted: `id`, or the prefix of a typed id. */
  readonly expected: string

  constructor(expected = 'id', options?: ErrorOptions) {
    // The text itself is left out: it is the client's, and ends in logs.
    super(`Cannot read the id: it is not a canonical ${expected}`, options)
    this.expected = expected
  }
}
