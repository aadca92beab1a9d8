/** Why a call failed, in the ten gRPC words every service knows. The edge maps each to one HTTP status. */
export type FaultKind =
  | 'invalid_argument'
  | 'unauthenticated'
  | 'permission_denied'
  | 'not_found'
  | 'already_exists'
  | 'failed_precondition'
  | 'aborted'
  | 'resource_exhausted'
  | 'deadline_exceeded'
  | 'unavailable'

/** Shared by every copy of this module that a bundle may hold; `instanceof` is not. */
const mark = Symbol.for('stoa.fault')

/**
 * A failure the caller is expected to handle. Anything else that is thrown is a bug, and stays a bug.
 *
 * Subclasses state `name` (a literal: bundlers rename classes), `code`, `kind`, and their data as
 * readonly fields. Branch on `code`, never on the class.
 */
export abstract class Fault extends Error {
  /** Stable, documented, snake_case; safe to branch on across the wire, where classes do not survive. */
  abstract readonly code: string
  abstract readonly kind: FaultKind
  /** True when the very same call may succeed later without the caller changing it. */
  readonly retryable: boolean = false
  /** Milliseconds to wait before trying again, when the failure knows; the edge sends `Retry-After`. */
  readonly retryAfterMs: number | undefined = undefined

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    Object.defineProperty(this, mark, { value: true })
  }
}

/** True for a {@link Fault} made by this copy of the kernel or by any other. */
export function isFault(thrown: unknown): thrown is Fault {
  return thrown instanceof Error && mark in thrown
}
