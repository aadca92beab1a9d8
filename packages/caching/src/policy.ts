import { type Codec, jsonCodec } from './codec.ts'

/** How a space of the cache treats its entries. Times in milliseconds. */
export type Policy<T> = {
  /** How long an entry answers without a question. */
  readonly ttlMs: number
  /** How long after that it may answer when a load fails, is too slow, or runs behind the answer. Default 0: never. */
  readonly graceMs?: number
  /** Answers with the old value at once and renews it behind the answer, within `graceMs`. Default false. */
  readonly staleWhileRevalidate?: boolean
  /** How long "there is nothing" is believed; 0: not at all. Default 5 s, and at most 1 s for a key asked for once. */
  readonly negativeTtlMs?: number
  /** The bound of staleness: how long an isolate answers by itself. 0: never. Default 1 s. */
  readonly isolateTtlMs?: number
  /** Spreads expiry by up to this part of `ttlMs`, so that what was loaded together does not expire together. Default 0.1. */
  readonly jitter?: number
  /** How eagerly an entry is renewed before it expires, as a multiple of its load time; 0: never. Default 1. */
  readonly earlyRenewal?: number
  /** Takes the lease with the first question: a miss costs one round trip less, a hit one command more. Default true. */
  readonly eagerLease?: boolean
  readonly timeouts?: Partial<Timeouts>
  readonly codec?: Codec<T>
}

export type Timeouts = {
  /** With an old value at hand: how long a load may hold the answer up. Default 200. */
  readonly softMs: number
  /** How long a load may take at all; its signal then aborts. Default 10 s. */
  readonly hardMs: number
  /** How long a caller waits for the load of another request, which may be gone. Default 1 s. */
  readonly joinMs: number
}

/** A policy with nothing left open. */
export type Rules<T> = Required<Omit<Policy<T>, 'timeouts'>> & Timeouts

export function rulesOf<T>(policy: Policy<T>, tombstoneMs: number): Rules<T> {
  const { timeouts = {}, ...given } = policy
  const rules = {
    graceMs: 0,
    staleWhileRevalidate: false,
    negativeTtlMs: 5_000,
    isolateTtlMs: 1_000,
    jitter: 0.1,
    earlyRenewal: 1,
    eagerLease: true,
    codec: jsonCodec<T>(),
    softMs: 200,
    hardMs: 10_000,
    joinMs: 1_000,
    ...given,
    ...timeouts,
  }
  const { ttlMs, graceMs, negativeTtlMs, isolateTtlMs, softMs, hardMs, joinMs, jitter } = rules
  for (const ms of [graceMs, negativeTtlMs, isolateTtlMs, softMs, jitter, rules.earlyRenewal]) {
    if (!(ms >= 0)) throw new RangeError(`Cannot cache by a time of ${ms}: it must be 0 or more`)
  }
  if (!(ttlMs > 0 && hardMs > 0 && joinMs > 0 && jitter < 1)) {
    throw new RangeError('Cannot cache: ttlMs, hardMs and joinMs must be positive, jitter below 1')
  }
  // A load that outlives the tombstone of a write could fill what it read before.
  if (hardMs >= tombstoneMs) {
    throw new RangeError(`Cannot cache: hardMs ${hardMs} must be less than tombstoneMs`)
  }
  return rules
}
