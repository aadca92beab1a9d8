import { SqlConstraintError } from '@stoa/kernel'

/**
 * Whether a batch stopped at a gate: a compare-and-set that writes NULL into a NOT NULL `column` unless all is as
 * expected, and so aborts everything with it.
 */
export function stoppedAt(error: unknown, column: string): boolean {
  return (
    error instanceof SqlConstraintError && error.type === 'not_null' && error.constraint === column
  )
}
