import type { SqlValue } from '@stoa/kernel'

/** As the adapters do: a whole number binds as INTEGER, and comes back as a number when that is exact. */
export function bound(value: SqlValue): SqlValue {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

/** What an engine gave, as the adapters give it. */
export function plain(value: unknown): SqlValue {
  if (typeof value === 'bigint') {
    const exact = Number(value)
    return Number.isSafeInteger(exact) ? exact : value
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  // The engines give no other types than these.
  return value as SqlValue
}
