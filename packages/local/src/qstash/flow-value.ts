import { parseDuration } from './duration.ts'
import type { FlowSpec } from './model.ts'
import { Refusal } from './refusal.ts'

const weekSeconds = 7 * 24 * 3600

/**
 * Reads `Upstash-Flow-Control-Key` and `-Value` (`parallelism=2, rate=10, period=1m`; names in any case,
 * period in seconds or as a duration, 1 s unless given, at most a week).
 *
 * @throws Refusal 400 when one is given without the other, or a value is no positive integer.
 */
export function parseFlow(
  key: string | undefined,
  value: string | undefined,
): FlowSpec | undefined {
  if (key === undefined && value === undefined) return undefined
  if (key === undefined || key === '') throw bad('Upstash-Flow-Control-Key is missing')
  if (value === undefined) throw bad('Upstash-Flow-Control-Value is missing')
  const fields = new Map<string, string>()
  for (const part of value.split(',')) {
    const [name = '', text = ''] = part.split('=')
    if (name.trim() !== '') fields.set(name.trim().toLowerCase(), text.trim())
  }
  for (const name of fields.keys()) {
    if (!['parallelism', 'rate', 'period'].includes(name)) throw bad(`unknown field "${name}"`)
  }
  const parallelism = positive(fields.get('parallelism'), 'parallelism')
  const rate = positive(fields.get('rate'), 'rate')
  if (parallelism === undefined && rate === undefined) {
    throw bad('at least one of parallelism and rate is needed')
  }
  return { key, parallelism, rate, period: parsePeriod(fields.get('period')) }
}

/** @throws Refusal 400 unless `text` is a whole number above zero. */
export function positive(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || !Number.isSafeInteger(number)) {
    throw bad(`${what} must be a positive integer, not "${text}"`)
  }
  return number
}

/** Seconds. */
export function parsePeriod(text: string | undefined): number {
  if (text === undefined) return 1
  const seconds = /^\d+$/.test(text) ? Number(text) : (parseDuration(text) ?? Number.NaN) / 1000
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > weekSeconds) {
    throw bad(`period must be between 1s and a week, not "${text}"`)
  }
  return seconds
}

function bad(message: string): Refusal {
  return new Refusal(400, `invalid flow control: ${message}`)
}
