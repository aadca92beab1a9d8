import type { Clock, Random } from '@stoa/kernel'

import type { Outcome } from './balancer.ts'

export type EjectionLimits = {
  /** Failures in a row after which a member is ejected. Default: 3. */
  readonly failures: number
  /** Milliseconds of the first ejection; each next one is twice as long, up to the longest. Default: 1,000 and 60,000. */
  readonly ejectMs: number
  readonly ejectMsMax: number
}

const defaultLimits: EjectionLimits = { failures: 3, ejectMs: 1_000, ejectMsMax: 60_000 }

/** Whether one member may be asked, by how it answered. */
export type Ejection = {
  /** False while it is ejected, and while a probe tries whether it still must be. */
  isOpen(this: void): boolean
  /** A request begins; call the answer with how it ended. */
  begin(this: void): (outcome: Outcome) => void
}

/**
 * Closed until it fails several times in a row; then ejected, with back-off and up to a quarter of jitter; then half
 * open: one probe at a time, whose answer closes it and whose failure ejects it for twice as long.
 *
 * @see Nygard 2007, "Release It!" (circuit breaker); Envoy's outlier detection
 */
export function createEjection({
  clock,
  random,
  limits = {},
}: {
  readonly clock: Clock
  readonly random: Random
  readonly limits: Partial<EjectionLimits> | undefined
}): Ejection {
  const { failures, ejectMs, ejectMsMax } = { ...defaultLimits, ...limits }
  let inARow = 0
  let ejections = 0
  let until: number | undefined
  let probes = 0
  const eject = (): void => {
    const base = Math.min(ejectMsMax, ejectMs * 2 ** Math.min(ejections, 30))
    until = clock.now() + base * (1 + random.uint32() / 2 ** 34)
    ejections += 1
    inARow = 0
  }
  return {
    isOpen: () => until === undefined || (clock.now() >= until && probes === 0),
    begin: () => {
      const isProbe = until !== undefined
      if (isProbe) probes += 1
      return (outcome) => {
        if (isProbe) probes -= 1
        if (outcome === 'answered') {
          // What was sent before the ejection says nothing of now.
          if (isProbe || until === undefined) {
            until = undefined
            inARow = 0
          }
          if (isProbe) ejections = 0
        }
        if (outcome !== 'failed') return
        inARow += 1
        if (isProbe || (until === undefined && inARow >= failures)) eject()
      }
    },
  }
}
