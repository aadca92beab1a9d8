import type { Clock } from '@stoa/kernel'

/** Keeps callers from waiting for what does not answer. */
export type Breaker = {
  /** Whether to ask. While open, one caller in each period may, and its fate decides. */
  allows(): boolean
  succeeded(): void
  failed(): void
}

export type BreakerOptions = {
  /** Failures in a row that open it. */
  readonly failures: number
  /** Milliseconds for which it then stays open. */
  readonly openMs: number
}

/** A circuit breaker of one isolate. A probe that never comes back only costs another period. */
export function createBreaker({ failures, openMs }: BreakerOptions, clock: Clock): Breaker {
  let inRow = 0
  let openUntil = 0
  return {
    allows: () => {
      if (inRow < failures) return true
      const now = clock.now()
      if (now < openUntil) return false
      openUntil = now + openMs
      return true
    },
    succeeded: () => {
      inRow = 0
    },
    failed: () => {
      inRow += 1
      if (inRow >= failures) openUntil = clock.now() + openMs
    },
  }
}
