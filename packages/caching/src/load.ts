import { type Call, type Clock, type Random, within } from '@stoa/kernel'

import { type Entry, meets } from './entry.ts'
import { CacheValueTooLargeError, StaleReadError } from './faults.ts'
import type { Rules } from './policy.ts'
import { bounded } from './race.ts'

/** What an origin says of a key. */
export type Loaded<T> = {
  /** `undefined`: there is nothing, which is worth knowing too. */
  readonly value: T | undefined
  /**
   * The version of the row, from the row itself: a whole number that grows with each write, never a time. Without it a
   * load that reads a lagging replica can leave an old value in the cache.
   */
  readonly version?: number | undefined
}

/** What a loader is asked for. */
export type Wanted = {
  readonly key: string
  /** Only this version or a later one will do or be kept; when it is above 0, ask the primary. */
  readonly minVersion: number
}

/** Reads one key at its origin. `call` ends with `hardMs`, not with the caller: others may wait for the value. */
export type Load<T> = (wanted: Wanted, call: Call) => Promise<Loaded<T>>

/** Reads many keys at once; a key that is not in the answer does not exist. */
export type LoadMany<T> = (
  wanted: readonly Wanted[],
  call: Call,
) => Promise<ReadonlyMap<string, Loaded<T>>>

export type LoadDeps = {
  readonly clock: Clock
  readonly random: Random
  readonly valueBytesMax: number
}

/** How long "there is nothing" is kept for a key that was asked for once: a flood of made-up keys leaves nothing behind. */
const firstNegativeMs = 1_000

export type LoadOptions = {
  readonly minVersion: number
  readonly tags: Readonly<Record<string, string>>
  readonly nonce: string
  /** True when the key was asked for before. */
  readonly isKnown: boolean
}

const encoder = new TextEncoder()

/**
 * Loads `key` and makes an entry of it.
 *
 * @throws what the loader throws; DeadlineExceededError after `hardMs`; CacheValueTooLargeError,
 * UnserialisableValueError; StaleReadError when the origin is behind `minVersion` that the caller asked for.
 */
export async function loadEntry<T>(
  load: (call: Call) => Promise<Loaded<T>>,
  job: LoadOptions & { readonly key: string; readonly rules: Rules<T>; readonly deps: LoadDeps },
  call: Call,
): Promise<Entry> {
  const { rules, deps, key } = job
  const startedAt = deps.clock.now()
  const limited = within(call, rules.hardMs, deps.clock)
  const { value, version } = await bounded(load(limited), limited)
  if (version !== undefined && !(Number.isSafeInteger(version) && version >= 0)) {
    throw new RangeError(`Cannot cache "${key}" at version ${version}: it must be a whole number`)
  }
  if (!meets(version, job.minVersion)) throw new StaleReadError(key, version, job.minVersion)
  const body = value === undefined ? '' : rules.codec.encode(value)
  const sizeBytes = byteLength(body)
  if (sizeBytes > deps.valueBytesMax) {
    throw new CacheValueTooLargeError(key, sizeBytes, deps.valueBytesMax)
  }
  const isNegative = value === undefined
  const freshMs = isNegative ? negativeMs(rules, job) : spread(rules, deps.random)
  return {
    nonce: job.nonce,
    version,
    freshUntil: startedAt + freshMs,
    staleUntil: startedAt + freshMs + (isNegative ? 0 : rules.graceMs),
    loadMs: deps.clock.now() - startedAt,
    tags: job.tags,
    isNegative,
    body,
  }
}

function negativeMs<T>({ negativeTtlMs }: Rules<T>, { isKnown }: LoadOptions): number {
  return isKnown ? negativeTtlMs : Math.min(negativeTtlMs, firstNegativeMs)
}

/** The life of an entry, shortened by chance: never longer than was asked for. */
function spread<T>({ ttlMs, jitter }: Rules<T>, random: Random): number {
  return jitter === 0 ? ttlMs : Math.round(ttlMs * (1 - (jitter * random.uint32()) / 2 ** 32))
}

export function byteLength(text: string): number {
  return encoder.encode(text).length
}

/** Beyond this many load times before expiry the chance of an early renewal is under one in 20,000. */
const earlyReach = 10

/**
 * Whether to renew `entry` now though it is fresh: seldom long before it expires, likely just before, and the longer
 * its load takes the earlier. So one caller renews it, and not all at once when it is gone.
 *
 * @see Vattani, Chierichetti and Lowenstein 2015, "Optimal Probabilistic Cache Stampede Prevention" (XFetch)
 */
export function isDueEarly(
  entry: Pick<Entry, 'freshUntil' | 'loadMs'>,
  eagerness: number,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): boolean {
  const left = entry.freshUntil - clock.now()
  const reach = entry.loadMs * eagerness
  if (left > reach * earlyReach) return false
  return -Math.log((random.uint32() + 1) / 2 ** 32) * reach >= left
}
