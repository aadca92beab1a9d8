import type { Random } from '@stoa/kernel'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/**
 * The wait before each attempt at a delivery, from the beginning of the one before: nineteen over 84 hours. Near at first,
 * for the receiver that restarts; long at last, for the one that is repaired after a weekend.
 */
export const delaysMs: readonly number[] = [
  0,
  5 * second,
  15 * second,
  30 * second,
  3 * minute,
  10 * minute,
  20 * minute,
  30 * minute,
  30 * minute,
  30 * minute,
  hour,
  3 * hour,
  3 * hour,
  3 * hour,
  6 * hour,
  6 * hour,
  12 * hour,
  24 * hour,
  24 * hour,
]

export const attemptsMax = delaysMs.length

/** How far chance moves an attempt, to both sides: what failed together must not come again together. */
const jitter = 0.2

/** The longest wait that a receiver may ask for. */
const retryAfterMsMax = 24 * hour

/** What a `Retry-After` header asks for, in milliseconds from `now`: seconds or a date; nothing when it is neither. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  const text = header.trim()
  const isDate = /^[A-Z][a-z]{2}, .* GMT$/.test(text)
  if (!isDate && !/^\d{1,9}$/.test(text)) return undefined
  const ms = isDate ? Date.parse(text) - now : Number(text) * second
  if (Number.isNaN(ms)) return undefined
  return Math.min(Math.max(0, ms), retryAfterMsMax)
}

export type Made = {
  /** Attempts of this round, with the one that has just failed. */
  readonly attempts: number
  /** When that one was begun, and when its answer had come. */
  readonly begun: number
  readonly ended: number
  readonly retryAfter: string | null
}

/** When the next attempt is due; nothing after the last. A receiver may postpone it, and not bring it forward. */
export function nextAttemptAt(made: Made, random: Random): number | undefined {
  const delay = delaysMs[made.attempts]
  if (delay === undefined) return undefined
  const chance = 1 + jitter * (random.uint32() / 2 ** 31 - 1)
  const asked = retryAfterMs(made.retryAfter, made.ended) ?? 0
  return Math.max(made.begun + Math.round(delay * chance), made.ended + asked)
}
