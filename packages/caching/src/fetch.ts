import { type Call, type Clock, type Random, sleep } from '@stoa/kernel'

import { drive, type Send } from './drive.ts'
import { type Entry, meets, type Stored } from './entry.ts'
import { claim, fill, type Lease, look, release, type Steps, type Terms } from './lease.ts'
import { isDueEarly } from './load.ts'
import { race } from './race.ts'
import { ensureTags, type TagVersions, tagsHold } from './tags.ts'

/** Why an answer is not what the cache promises when all is well. */
export type Degradation = 'redis_unavailable' | 'load_failed' | 'load_slow'

/** Where an answer came from. */
export type Tier = 'isolate' | 'edge' | 'redis' | 'loader'

/** An answer, before it is decoded. */
export type Outcome = {
  readonly entry: Entry
  readonly tier: Tier
  readonly isStale: boolean
  readonly degraded: Degradation | undefined
  /** True when nothing invalidated it between the reading of it and now. */
  readonly isConfirmed: boolean
  /** False when it is older than a write that the cache knows of: no tier may keep it. */
  readonly mayKeep: boolean
}

export type LoadTerms = {
  /** What the loader should aim at; the caller's own bound is part of it. */
  readonly min: number
  readonly tags: TagVersions
  /** True without Redis: nothing but the gate then stands between the callers and the origin. */
  readonly isDegraded: boolean
  readonly hasFallback: boolean
}

/** One key to fetch through one Redis database. */
export type Job = {
  readonly key: string
  readonly minVersion: number
  readonly tags: readonly string[]
  readonly rules: {
    readonly staleWhileRevalidate: boolean
    readonly softMs: number
    readonly isolateTtlMs: number
    readonly earlyRenewal: number
  }
  readonly isEager: boolean
  /** An entry of this isolate that is no longer fresh but may still answer. */
  readonly fallback: Entry | undefined
  /** A key to read with it, and what to do when it is there. */
  readonly hint?: { readonly key: string; readonly seen: () => void }
  readonly load: (terms: LoadTerms) => Promise<{ entry: Entry; isCacheable: boolean }>
  /** Keeps what a renewal behind the answer brought. */
  readonly keep: (outcome: Outcome) => void
}

export type FetchDeps = {
  readonly clock: Clock
  readonly random: Random
  readonly nonce: () => string
  readonly leaseMs: number
  readonly tombstoneMs: number
  defer(work: Promise<unknown>): void
  report(error: unknown, requestId: string): void
}

export type Line = {
  readonly send: Send
  /** A replica that may lag; absent when the answer must not. */
  readonly read?: Send | undefined
}

/** The first wait for another's load, and the longest; between them each is half as long again. */
const pollMs = { first: 15, most: 200 }

type Seen = {
  readonly stored: Stored
  readonly lease: Lease | undefined
  readonly tags: TagVersions
}

type Trip = {
  readonly job: Job
  readonly line: Line
  readonly deps: FetchDeps
  readonly call: Call
}

/**
 * Answers a key from Redis, or loads it under the lease and fills it in behind the answer. Without Redis it loads.
 *
 * Costs one round trip for a hit, and for a miss one and the load; one more when the key is buried or its lease must
 * be taken over. Waits for another's load at most `leaseMs`, then loads without filling.
 *
 * @throws what the load throws, when no older value may answer.
 */
export async function fetchThrough(
  job: Job,
  { line, deps }: { readonly line: Line; readonly deps: FetchDeps },
  call: Call,
): Promise<Outcome> {
  const trip = { job, line, deps, call }
  if (line.read !== undefined) {
    const seen = await attempt(trip, () => lookThrough(trip, line.read))
    const verdict = seen && judge(seen, trip)
    if (seen?.stored.kind === 'entry' && (verdict === 'serve' || verdict === 'serve_stale')) {
      return serve(trip, seen.stored, seen.tags)
    }
  }
  const seen = await attempt(trip, () => lookThrough(trip, line.send, job.isEager))
  if (seen === undefined) return loadBare(trip, 'redis_unavailable')
  return (await settle(trip, seen)) ?? waitFor(trip)
}

/** Asks again and again while somebody else loads, until an answer is there or that takes too long. */
async function waitFor(trip: Trip): Promise<Outcome> {
  const { job, deps, call } = trip
  const usable = fallbackOf(trip)
  if (usable !== undefined) return usable
  const giveUp = deps.clock.now() + deps.leaseMs + pollMs.most
  let wait = pollMs.first
  while (deps.clock.now() < giveUp) {
    // Not all at the same moment, though all began to wait at the same one.
    await sleep(wait * (0.5 + deps.random.uint32() / 2 ** 32), deps.clock, call.signal)
    wait = Math.min(pollMs.most, wait * 1.5)
    const seen = await attempt(trip, () => lookThrough(trip, trip.line.send))
    if (seen === undefined) return loadBare(trip, 'redis_unavailable')
    const outcome = await settle({ ...trip, job: { ...job, isEager: false } }, seen)
    if (outcome !== undefined) return outcome
  }
  return loadBare(trip, undefined)
}

/** Acts on what a key holds; `undefined` when somebody else is at it. */
async function settle(trip: Trip, seen: Seen): Promise<Outcome | undefined> {
  if (seen.lease !== undefined) return loadUnder(trip, seen.lease, seen.tags)
  const { stored, tags } = seen
  const verdict = judge(seen, trip)
  if (verdict === 'wait') return undefined
  if (stored.kind === 'entry' && verdict !== 'claim') {
    return verdict === 'renew' ? renewNow(trip, stored, tags) : serve(trip, stored, tags)
  }
  const taken = await attempt(trip, () => run(trip, claim(trip.job.key, stored, termsOf(trip))))
  if (taken === undefined) return loadBare(trip, 'redis_unavailable')
  if (taken.lease !== undefined) return loadUnder(trip, taken.lease, tags)
  return undefined
}

type Verdict = 'serve' | 'serve_stale' | 'renew' | 'claim' | 'wait'

function judge({ stored, tags }: Seen, { job, deps }: Trip): Verdict {
  const now = deps.clock.now()
  if (stored.kind === 'lease') return stored.until > now ? 'wait' : 'claim'
  if (stored.kind !== 'entry') return 'claim'
  const { entry } = stored
  if (entry.staleUntil <= now || !tagsHold(entry.tags, tags, job.tags)) return 'claim'
  if (!meets(entry.version, job.minVersion)) return 'renew'
  if (entry.freshUntil > now) return 'serve'
  return job.rules.staleWhileRevalidate ? 'serve_stale' : 'renew'
}

type StoredEntry = Extract<Stored, { readonly kind: 'entry' }>

/** Answers with what is there; renews it behind the answer when it is old, or will soon be. */
function serve(trip: Trip, stored: StoredEntry, tags: TagVersions): Outcome {
  const { job, deps, call } = trip
  const isStale = stored.entry.freshUntil <= deps.clock.now()
  if (isStale || isDueEarly(stored.entry, job.rules.earlyRenewal, deps)) {
    const renewing = renew(trip, stored, tags).then(
      (outcome) => outcome && job.keep(outcome),
      (error: unknown) => deps.report(error, call.requestId),
    )
    deps.defer(renewing)
  }
  return {
    entry: stored.entry,
    tier: 'redis',
    isStale,
    degraded: undefined,
    isConfirmed: true,
    mayKeep: true,
  }
}

/** Renews before the answer, for as long as that may hold it up; `undefined` when another does and nothing may answer. */
async function renewNow(
  trip: Trip,
  stored: StoredEntry,
  tags: TagVersions,
): Promise<Outcome | undefined> {
  const { job, deps, call } = trip
  const renewing = renew(trip, stored, tags)
  if (!meets(stored.entry.version, job.minVersion)) return renewing
  deps.defer(renewing.then((outcome) => outcome && job.keep(outcome)).catch(() => undefined))
  const old = (degraded: Degradation | undefined): Outcome => ({
    entry: stored.entry,
    tier: 'redis',
    isStale: true,
    degraded,
    isConfirmed: true,
    mayKeep: true,
  })
  try {
    const raced = await race(renewing, job.rules.softMs, deps.clock)
    if (raced.isLate) return old('load_slow')
    return raced.value ?? old(undefined)
  } catch (error) {
    deps.report(error, call.requestId)
    return old('load_failed')
  }
}

/** Loads and replaces an entry that stays until then; `undefined` when another is at it. The entry is the lease. */
async function renew(
  trip: Trip,
  { entry, raw }: StoredEntry,
  tags: TagVersions,
): Promise<Outcome | undefined> {
  const { job, line, deps } = trip
  const lock = `${job.key}~`
  const taken = await attempt(trip, () =>
    line.send([['SET', lock, deps.nonce(), 'NX', 'PX', deps.leaseMs]]),
  )
  if (taken?.[0] !== 'OK') return undefined
  const lease = { key: job.key, raw, min: entry.version ?? 0, isRenewal: true }
  const outcome = await loadUnder(trip, lease, tags)
  // After a failure it stays, and holds the next try off for a while.
  deps.defer(attempt(trip, () => line.send([['DEL', lock]])))
  return outcome
}

async function loadUnder(trip: Trip, lease: Lease, seen: TagVersions): Promise<Outcome> {
  const { job, deps } = trip
  const tags = await attempt(trip, () => ensureTags(job.tags, seen, { ...trip.line, ...deps }))
  if (tags === undefined) return loadBare(trip, 'redis_unavailable')
  const min = Math.max(lease.min, job.minVersion)
  const giveBack = () => deps.defer(attempt(trip, () => run(trip, release(lease, termsOf(trip)))))
  let loaded: { entry: Entry; isCacheable: boolean }
  try {
    const hasFallback = lease.isRenewal || job.fallback !== undefined
    loaded = await job.load({ min, tags, isDegraded: false, hasFallback })
  } catch (error) {
    giveBack()
    return insteadOf(error, trip)
  }
  const { entry, isCacheable } = loaded
  const mayKeep = meets(entry.version, lease.min)
  const outcome = { entry, tier: 'loader', isStale: false, degraded: undefined } as const
  if (!isCacheable) {
    giveBack()
    return { ...outcome, isConfirmed: false, mayKeep }
  }
  const filling = attempt(trip, () => run(trip, fill(lease, entry, termsOf(trip))))
  if (job.rules.isolateTtlMs === 0) {
    // Without a tier that may be stale, those who wait for this load must know that it still holds.
    return { ...outcome, isConfirmed: (await filling) === true, mayKeep }
  }
  deps.defer(filling)
  return { ...outcome, isConfirmed: false, mayKeep }
}

/** Loads without a lease, and fills nothing in. */
async function loadBare(trip: Trip, degraded: Degradation | undefined): Promise<Outcome> {
  const { job } = trip
  try {
    const { entry } = await job.load({
      min: job.minVersion,
      tags: {},
      isDegraded: degraded !== undefined,
      hasFallback: job.fallback !== undefined,
    })
    const mayKeep = job.tags.length === 0
    return { entry, tier: 'loader', isStale: false, degraded, isConfirmed: false, mayKeep }
  } catch (error) {
    return insteadOf(error, trip)
  }
}

/** The older value that may answer in place of a load that failed. @throws `error` when there is none. */
function insteadOf(error: unknown, trip: Trip): Outcome {
  const usable = fallbackOf(trip)
  if (usable === undefined) throw error
  trip.deps.report(error, trip.call.requestId)
  return { ...usable, degraded: 'load_failed' }
}

function fallbackOf({ job, deps }: Trip): Outcome | undefined {
  const entry = job.fallback
  if (entry === undefined || entry.staleUntil <= deps.clock.now()) return undefined
  if (!meets(entry.version, job.minVersion)) return undefined
  return {
    entry,
    tier: 'isolate',
    isStale: true,
    degraded: undefined,
    isConfirmed: false,
    mayKeep: false,
  }
}

async function lookThrough(
  trip: Trip,
  send: Send = trip.line.send,
  isEager = false,
): Promise<Seen> {
  const { job } = trip
  const beside = [...job.tags, ...(job.hint === undefined ? [] : [job.hint.key])]
  const seen = await drive(look(job.key, termsOf(trip), { beside, isEager }), send)
  if (job.hint !== undefined && seen.beside.at(-1) !== null) job.hint.seen()
  const tags = Object.fromEntries(
    job.tags.flatMap((tag, at) => {
      const version = seen.beside[at]
      return typeof version === 'string' ? [[tag, version] as const] : []
    }),
  )
  return { stored: seen.stored, lease: seen.lease, tags }
}

function termsOf({ deps }: Trip): Terms {
  const { leaseMs, tombstoneMs } = deps
  return { nonce: deps.nonce(), now: deps.clock.now(), leaseMs, tombstoneMs }
}

function run<T>({ line }: Trip, steps: Steps<T>): Promise<T> {
  return drive(steps, line.send)
}

/** What Redis could not do is told, and is no reason to fail a caller. */
async function attempt<T>({ deps, call }: Trip, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!call.signal.aborted) deps.report(error, call.requestId)
    return undefined
  }
}
