import { Fault } from '@stoa/kernel'

/** What is to be imported cannot be read: no such file, table or column, or not text. Nothing was written. */
export class ImportSourceError extends Fault {
  override readonly name = 'ImportSourceError'
  override readonly code = 'import_source'
  override readonly kind = 'failed_precondition'
}

/** The rules do not lead from the source to the table. Nothing was written. */
export class ImportMappingError extends Fault {
  override readonly name = 'ImportMappingError'
  override readonly code = 'import_mapping'
  override readonly kind = 'invalid_argument'
}

/** The keyspace or its table is not there, or cannot hold imported rows. Nothing was written. */
export class ImportTargetError extends Fault {
  override readonly name = 'ImportTargetError'
  override readonly code = 'import_target'
  override readonly kind = 'failed_precondition'
}

/** An import ended before its end. What is written stays; the same import again goes on from there. */
export class ImportStoppedError extends Fault {
  override readonly name = 'ImportStoppedError'
  override readonly code = 'import_stopped'
  override readonly kind = 'unavailable'
  override readonly retryable = true
}

/** One line cannot become a row. It is reported by its number, and the import goes on. */
export class BadLineError extends Fault {
  override readonly name = 'BadLineError'
  override readonly code = 'import_bad_line'
  override readonly kind = 'invalid_argument'
}
