/**
 * How an endpoint is: `healthy`; `degraded` after some failures in a row; `suspended` when nothing but failures came for
 * five days. One answer as it should be makes it healthy.
 */
export type Health = 'healthy' | 'degraded' | 'suspended'

const second = 1_000
const hour = 3_600 * second

/** Failures in a row after which an endpoint is degraded. */
export const degradedAfter = 5

/** How long an endpoint may fail before it is suspended: longer than all attempts at one delivery. */
export const suspendedAfterMs = 5 * 24 * hour

/** How often a suspended endpoint is tried, with a delivery that waits for it. */
export const probeMs = 6 * hour

/** How long a delivery waits for a suspended endpoint before it is given up. */
export const heldMsMax = 5 * 24 * hour

/** Attempts under way at one endpoint at a time, over all isolates. */
export const attemptsAtOnce: Readonly<Record<Health, number>> = {
  healthy: 4,
  degraded: 1,
  suspended: 1,
}

/** Ten attempts a second at one endpoint, twenty at once after a pause. */
export const paceMs = 100
export const burstMs = 2 * second

/** How long a delivery waits whose endpoint takes no more now, and how far apart several are that do. */
const waitMs: Readonly<Record<Health, number>> = {
  healthy: second,
  degraded: 15 * second,
  suspended: second,
}

export type Standing = {
  readonly health: Health
  /** When a suspended endpoint may be tried. */
  readonly probeAt: number
}

/** When the delivery that is `place`-th in line of an endpoint that takes no more now is tried again. */
export function postponedTo(
  { health, probeAt }: Standing,
  { now, place }: { readonly now: number; readonly place: number },
): number {
  const from = health === 'suspended' ? Math.max(now, probeAt) : now
  return from + waitMs[health] * (place + 1)
}
