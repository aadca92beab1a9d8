import { parseDuration } from './duration.ts'
import type { HeaderMap } from './header-names.ts'
import { compileRetryDelay } from './retry-delay.ts'

const dayMs = 86_400_000

/** The default wait before retry `n` (1 is the first): `min(86400, e^(2.5n))` seconds, in milliseconds. */
export function defaultBackoffMs(n: number): number {
  return Math.round(Math.min(86_400, Math.exp(2.5 * n)) * 1000)
}

const resetHeaders = [
  'Retry-After',
  'X-Ratelimit-Reset',
  'X-Ratelimit-Reset-Requests',
  'X-Ratelimit-Reset-Tokens',
] as const

/**
 * How long the destination asked to wait, in milliseconds: seconds, an RFC 1123 date or a Go duration
 * such as `6m5s`. `undefined` when it did not ask, asked nonsense, or asked for more than a day.
 */
export function requestedDelayMs(header: HeaderMap, now: number): number | undefined {
  for (const name of resetHeaders) {
    const value = header[name]?.[0]
    if (value === undefined) continue
    const delay = waitOf(value.trim(), now)
    if (delay !== undefined && delay <= dayMs) return Math.max(0, Math.round(delay))
  }
  return undefined
}

function waitOf(value: string, now: number): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000
  const duration = parseDuration(value)
  if (duration !== undefined) return duration
  if (!/^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} /.test(value)) return undefined
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : date - now
}

export type RetryQuestion = {
  /** How many retries were made before this failure. */
  readonly retried: number
  readonly expression: string | undefined
  readonly header: HeaderMap
  readonly now: number
  readonly maxDelayMs: number
}

/**
 * When to try again: what the destination asked for wins over the publisher's expression, which wins
 * over the default. An expression that yields no finite number falls back to the default; a negative one means now.
 */
export function retryDelayMs(question: RetryQuestion): number {
  const asked = requestedDelayMs(question.header, question.now)
  if (asked !== undefined) return asked
  const fallback = defaultBackoffMs(question.retried + 1)
  if (question.expression === undefined) return fallback
  const own = compileRetryDelay(question.expression)(question.retried)
  if (!Number.isFinite(own)) return fallback
  return Math.min(question.maxDelayMs, Math.max(0, Math.round(own)))
}
