import type { RedisCommand, RedisReply } from '@stoa/kernel'

import {
  encodeEntry,
  type Entry,
  leaseText,
  meets,
  minOf,
  parseStored,
  type Stored,
  tombstoneText,
} from './entry.ts'
import { InvalidationContendedError } from './faults.ts'

/**
 * A protocol as a list of round trips: yields the commands of one pipeline, is given their replies. Nothing in it
 * waits or fails by itself, so that a checker can run every order of its commands.
 */
export type Steps<T> = Generator<readonly RedisCommand[], T, readonly RedisReply[]>

/** What a protocol needs to know about now. */
export type Terms = {
  /** Unique to this use: no token, tombstone or entry is ever the same text twice. */
  readonly nonce: string
  readonly now: number
  /** How long nobody else loads. Efficiency only: a lease that is taken over early costs a load, never a stale value. */
  readonly leaseMs: number
  /** How long a tombstone outlives its write: longer than any load, and than the lag of any replica that loads read. */
  readonly tombstoneMs: number
}

/** The right to fill a key: as long as it holds `raw`, nobody invalidated it since. */
export type Lease = {
  readonly key: string
  readonly raw: string
  /** Only a value of this version or later may be filled in; 0 when no version is known. */
  readonly min: number
  /** True when `raw` is an entry that is being renewed: it stays when the load fails. */
  readonly isRenewal: boolean
}

/** How often an invalidation follows a key that changes under it. */
const invalidationTriesMax = 16

/**
 * Reads `key`, and the keys of `beside` with it. When `isEager`, takes the lease of an absent key in the same round
 * trip, for one more command.
 */
export function* look(
  key: string,
  terms: Terms,
  { beside, isEager }: { readonly beside: readonly string[]; readonly isEager: boolean },
): Steps<{ stored: Stored; lease: Lease | undefined; beside: readonly RedisReply[] }> {
  const own = leaseText(terms.nonce, { min: 0, until: terms.now + terms.leaseMs })
  const read: RedisCommand = ['MGET', key, ...beside]
  const replies = yield isEager ? [['SET', key, own, 'NX', 'PX', terms.tombstoneMs], read] : [read]
  const values = replies.at(-1)
  const [raw, ...others] = Array.isArray(values) ? (values as readonly RedisReply[]) : [null]
  const lease = raw === own ? { key, raw: own, min: 0, isRenewal: false } : undefined
  return { stored: parseStored(raw), lease, beside: others }
}

/**
 * Takes the lease of a key that holds `stored`. Gives what is there instead when somebody was faster.
 *
 * The read behind the write tells whose lease it is, so that a lost reply may be asked for again. A copy of the
 * command that comes late finds another text there: tombstones and entries are unique.
 */
export function* claim(
  key: string,
  stored: Stored,
  terms: Terms,
): Steps<{ stored: Stored; lease: Lease | undefined }> {
  const min = minOf(stored)
  const own = leaseText(terms.nonce, { min, until: terms.now + terms.leaseMs })
  const condition = stored.raw === undefined ? ['NX'] : ['IFEQ', stored.raw]
  const [, raw] = yield [
    ['SET', key, own, ...condition, 'PX', terms.tombstoneMs],
    ['GET', key],
  ]
  const lease = raw === own ? { key, raw: own, min, isRenewal: false } : undefined
  return { stored: parseStored(raw), lease }
}

/**
 * Fills the key, if it still holds what the lease says and the value is not older than what was invalidated. Gives
 * whether it did; the lease is gone either way.
 *
 * A versioned entry outlives its own time as a tombstone does: it is the proof that older versions are old.
 */
export function* fill(lease: Lease, entry: Entry, terms: Terms): Steps<boolean> {
  if (!meets(entry.version, lease.min)) {
    yield* release(lease, terms)
    return false
  }
  // A renewal that began in time must still find what it renews.
  const life = Math.ceil(entry.staleUntil - terms.now) + terms.leaseMs
  const px = Math.max(1, life, entry.version === undefined ? 0 : terms.tombstoneMs)
  const [reply] = yield [['SET', lease.key, encodeEntry(entry), 'IFEQ', lease.raw, 'PX', px]]
  return reply === 'OK'
}

/** Gives a lease back without a value, so that the next reader need not wait for it. Keeps its version. */
export function* release(lease: Lease, terms: Terms): Steps<void> {
  if (lease.isRenewal) return
  const px = lease.min > 0 ? terms.tombstoneMs : 1
  const text = tombstoneText(lease.min, terms.nonce)
  yield [['SET', lease.key, text, 'IFEQ', lease.raw, 'PX', px]]
}

export type Burial = {
  /** The version that the write gave the row; without one whatever is there goes. */
  readonly version: number | undefined
  /** A copy of another key that was buried before: where it is absent there is nothing to do. */
  readonly isCopy: boolean
}

/**
 * Leaves a tombstone, so that no load that began before can fill the key, and none that reads an older version. Never
 * lowers a version: invalidations may come twice, late and in any order. One round trip for an absent key, else two.
 *
 * @throws InvalidationContendedError when the key changed under every try.
 */
export function* bury(key: string, { version, isCopy }: Burial, terms: Terms): Steps<void> {
  const least = version ?? 0
  let replies = isCopy
    ? yield [['GET', key]]
    : yield [
        ['SET', key, tombstoneText(least, terms.nonce), 'NX', 'PX', terms.tombstoneMs],
        ['GET', key],
      ]
  for (let tries = 0; tries < invalidationTriesMax; tries += 1) {
    if (replies[0] === 'OK') return
    const stored = parseStored(replies.at(-1))
    if (isCopy && stored.kind === 'absent') return
    if (covers(stored, version)) return
    const text = tombstoneText(Math.max(least, minOf(stored)), `${terms.nonce}.${tries}`)
    const condition = stored.raw === undefined ? ['NX'] : ['IFEQ', stored.raw]
    replies = yield [
      ['SET', key, text, ...condition, 'PX', terms.tombstoneMs],
      ['GET', key],
    ]
  }
  throw new InvalidationContendedError(key)
}

/** Whether what is stored already keeps everything older than `version` out. */
function covers(stored: Stored, version: number | undefined): boolean {
  if (version === undefined) return stored.kind === 'tombstone'
  return minOf(stored) >= version && stored.kind !== 'absent'
}
