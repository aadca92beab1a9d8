import { Fault } from '@stoa/kernel'

/** A table that cannot be a reference table as it is. Nothing was published. */
export class InvalidReferenceError extends Fault {
  override readonly name = 'InvalidReferenceError'
  override readonly code = 'invalid_reference'
  override readonly kind = 'invalid_argument'

  constructor(table: string, why: string) {
    super(`Cannot publish reference table "${table}": ${why}`)
  }
}

/** More than fits into one batch to every database. Nothing was published. */
export class ReferenceTooLargeError extends Fault {
  override readonly name = 'ReferenceTooLargeError'
  override readonly code = 'reference_too_large'
  override readonly kind = 'invalid_argument'

  constructor(table: string, size: string, most: string) {
    super(`Cannot publish reference table "${table}": it has ${size}, and ${most} is the most`)
  }
}

/** Somebody else has published since the caller looked. Nothing was published. */
export class ReferenceConflictError extends Fault {
  override readonly name = 'ReferenceConflictError'
  override readonly code = 'reference_conflict'
  override readonly kind = 'aborted'
  /** The version that is there now; 0 when there is none. */
  readonly version: number

  constructor(table: string, over: number, version: number) {
    super(`Cannot publish reference table "${table}" over version ${over}: it is at ${version}`)
    this.version = version
  }
}

/** Nothing of that name was ever published. */
export class ReferenceNotFoundError extends Fault {
  override readonly name = 'ReferenceNotFoundError'
  override readonly code = 'reference_not_found'
  override readonly kind = 'not_found'

  constructor(table: string) {
    super(`Cannot find reference table "${table}": nobody has published it`)
  }
}

/** The copy's columns keep other values than they were given: a number as text, or a text as a number. */
export class ReferenceUnlikeError extends Fault {
  override readonly name = 'ReferenceUnlikeError'
  override readonly code = 'reference_unlike'
  override readonly kind = 'failed_precondition'

  constructor(table: string, database: string) {
    super(`Cannot keep reference table "${table}" in "${database}": its columns change the values`)
  }
}
