import { type Call, rootCall } from '@stoa/kernel'

import { matchEdge, putEdge } from './edge.ts'
import { type Entry, meets } from './entry.ts'
import { type Degradation, fetchThrough, type Job, type Outcome, type Tier } from './fetch.ts'
import { createFlights, type Flights } from './flights.ts'
import { type Load, loadEntry, type LoadMany } from './load.ts'
import { createOwnWrites, type OwnWrites } from './own-writes.ts'
import { countUses, placeOf } from './place.ts'
import type { Rules } from './policy.ts'
import { bounded } from './race.ts'
import { copyKey, entryKey, tagKey, type Tiers } from './tiers.ts'
import type { Shelf } from './tiny-lfu.ts'
import { manyWay, singleWay, type Way } from './way.ts'

/** What is asked for. */
export type Ask = {
  readonly key: string
  /** Any answer must be of this version or later: what a write answered, for a reader who must see it. */
  readonly minVersion?: number
}

/** Its answers are void once one of these tags is invalidated; every ask for a key must name the same ones. */
export type TaggedAsk = Ask & { readonly tags?: readonly string[] }

/** An answer of the cache. */
export type Found<T> = {
  /** Frozen, and shared by the readers of an isolate. `undefined`: the origin says that there is nothing. */
  readonly value: T | undefined
  readonly version: number | undefined
  readonly tier: Tier
  /** True when it is past its time: it is being renewed, or could not be. */
  readonly isStale: boolean
  /** Why it is not what the cache promises when all is well. */
  readonly degraded: Degradation | undefined
}

export type Space<T> = {
  /**
   * The value of a key: from this isolate, from the edge, from Redis, else by `load`, which runs once however many ask.
   *
   * No round trip when the isolate has it; else one; for a miss one and the load. What is written back goes behind the
   * answer.
   *
   * @throws what `load` throws, when no older value may answer; CacheKeyTooLongError, CacheValueTooLargeError,
   * UnserialisableValueError, StaleReadError, CacheOverloadedError; the reason of `call.signal`.
   */
  getOrLoad(ask: string | TaggedAsk, load: Load<T>, call: Call): Promise<Found<T>>
  /** As `getOrLoad` for many keys, in order: one MGET for each database, then one load of all that is missing. */
  getOrLoadMany(
    asks: readonly (string | Ask)[],
    load: LoadMany<T>,
    call: Call,
  ): Promise<readonly Found<T>[]>
}

/** A value that this isolate holds, ready to be answered with. */
type Kept<T> = {
  readonly found: Found<T>
  /** The entry without its text: what may answer when a load fails. */
  readonly entry: Entry
  readonly until: number
}

/** The entries of one kind in one isolate: what it holds of them, and what it is fetching. */
export class CacheSpace<T> implements Space<T> {
  readonly #name: string
  readonly #rules: Rules<T>
  readonly #tiers: Tiers
  readonly #shelf: Shelf<Kept<T>>
  readonly #flights: Flights
  readonly #ownWrites: OwnWrites

  constructor(name: string, rules: Rules<T>, tiers: Tiers) {
    this.#name = name
    this.#rules = rules
    this.#tiers = tiers
    this.#shelf = tiers.isolate.shelf<Kept<T>>(name)
    this.#flights = createFlights(rules.joinMs, tiers.clock)
    this.#ownWrites = createOwnWrites(tiers.limits.readerLagMs, tiers.clock)
  }

  getOrLoad(ask: string | TaggedAsk, load: Load<T>, call: Call): Promise<Found<T>> {
    const kept = this.#held(ask)
    if (kept !== undefined) return Promise.resolve(kept.found)
    const detached = rootCall(call.requestId)
    const isEager = this.#rules.eagerLease
    return this.#miss(ask, singleWay(load, { tiers: this.#tiers, isEager }, detached), call)
  }

  async getOrLoadMany(
    asks: readonly (string | Ask)[],
    load: LoadMany<T>,
    call: Call,
  ): Promise<readonly Found<T>[]> {
    const way = manyWay(load, this.#tiers, rootCall(call.requestId))
    return Promise.all(asks.map((ask) => this.#heldOrMiss(ask, way, call)))
  }

  async #heldOrMiss(ask: string | Ask, way: Way<T>, call: Call): Promise<Found<T>> {
    return this.#held(ask)?.found ?? this.#miss(ask, way, call)
  }

  /** Lets this isolate forget what it holds and is loading of a key. */
  forget(key: string): void {
    this.#ownWrites.note(key)
    this.#shelf.delete(key)
    this.#flights.abandon(key)
  }

  /** Lets this isolate forget what it holds under a tag. */
  forgetTag(tag: string): void {
    this.#ownWrites.noteAll()
    for (const { key, value } of this.#shelf.nodes()) {
      if (tag in value.entry.tags) this.#shelf.delete(key)
    }
    this.#flights.abandonAll()
  }

  /** What the isolate holds and may answer with. */
  #held(ask: string | TaggedAsk): Kept<T> | undefined {
    const node = this.#shelf.get(typeof ask === 'string' ? ask : ask.key)
    if (node === undefined) return undefined
    const kept = node.value
    if (kept.until <= this.#tiers.clock.now()) return undefined
    if (typeof ask !== 'string' && !meets(kept.found.version, ask.minVersion ?? 0)) return undefined
    node.hits += 1
    return kept
  }

  async #miss(given: string | TaggedAsk, way: Way<T>, call: Call): Promise<Found<T>> {
    const ask = typeof given === 'string' ? { key: given } : given
    const { key, minVersion = 0 } = ask
    if (!(Number.isSafeInteger(minVersion) && minVersion >= 0)) {
      throw new RangeError(`Cannot ask for version ${minVersion}: it must be a whole number`)
    }
    const full = entryKey(this.#tiers, this.#name, key)
    call.signal.throwIfAborted()
    const { hardMs, joinMs, isolateTtlMs } = this.#rules
    // Until a load would have been given up, the first to see that a flight is no good replaces it for all.
    const joinsMax = 1 + Math.ceil(hardMs / joinMs)
    for (let joins = 0; joins < joinsMax; joins += 1) {
      const joining = this.#flights.join(
        key,
        ({ entry, isConfirmed }, ageMs) =>
          meets(entry.version, minVersion) && (isConfirmed || ageMs <= isolateTtlMs),
      )
      if (joining === undefined) break
      const joined = await bounded(joining, call)
      if (joined !== undefined) {
        // When all come at once most of the uses are these.
        countUses(full, { uses: 1, mayCopy: mayCopy(ask) }, this.#tiers)
        return this.#foundOf(joined, key)
      }
    }
    const outcome = this.#flights.start(key, () => this.#fetchByEdge(ask, way, call.requestId))
    // The caller may hang up while others wait for it.
    this.#tiers.defer(outcome.catch(() => undefined))
    return this.#foundOf(await bounded(outcome, call), key)
  }

  async #fetchByEdge(ask: TaggedAsk, way: Way<T>, requestId: string): Promise<Outcome> {
    const { edge, clock } = this.#tiers
    const { key, minVersion } = ask
    if (edge === undefined || minVersion === undefined || ask.tags !== undefined) {
      return this.#fetch(ask, way, requestId)
    }
    const at = { key: entryKey(this.#tiers, this.#name, key), minVersion }
    const told = (error: unknown) => this.#tiers.report(error, requestId)
    const entry = await matchEdge(edge, at, clock).catch(told)
    if (entry) {
      const isStale = false
      const mayKeep = false
      return { entry, tier: 'edge', isStale, degraded: undefined, isConfirmed: false, mayKeep }
    }
    const outcome = await this.#fetch(ask, way, requestId)
    if (!outcome.isStale && outcome.mayKeep) {
      this.#tiers.defer(putEdge(edge, { ...at, entry: outcome.entry }, clock).catch(told))
    }
    return outcome
  }

  /** Fetches through Redis: from a copy on another database when the key is hot. A copy is loaded from the entry. */
  async #fetch(ask: TaggedAsk, way: Way<T>, requestId: string): Promise<Outcome> {
    const { hot, clock, redis } = this.#tiers
    const { key, minVersion } = ask
    const full = entryKey(this.#tiers, this.#name, key)
    const node = this.#shelf.peek(key)
    const uses = 1 + (node?.hits ?? 0)
    if (node !== undefined) node.hits = 0
    const use = { uses, mayCopy: mayCopy(ask) }
    const { home, copy, database, hint } = placeOf(full, use, this.#tiers)
    if (node !== undefined && hot.isHot(full)) node.pinnedUntil = clock.now() + this.#tiers.hotForMs
    const mark = this.#ownWrites.mark()
    const startedAt = clock.now()
    const keep = (outcome: Outcome) => {
      if (!this.#ownWrites.isSince(key, mark)) this.#keep(key, outcome, startedAt)
    }
    const call = rootCall(requestId)
    const job = this.#jobOf(ask, { full, way, keep, call })
    const mayLag = minVersion === undefined && !this.#ownWrites.isRecent(key)
    const lineTo = (to: number) => ({
      send: way.send(to),
      read: mayLag && redis.hasReaders(to) ? way.read(to) : undefined,
    })
    const hinted: Job =
      hint === undefined ? job : { ...job, hint: { key: hint, seen: () => hot.learn(full) } }
    const atHome = () => fetchThrough(hinted, { line: lineTo(home), deps: this.#tiers }, call)
    const outcome =
      copy === 0
        ? await atHome()
        : await fetchThrough(
            copyOf(job, copyKey(full, copy), atHome),
            { line: lineTo(database), deps: this.#tiers },
            call,
          )
    keep(outcome)
    return outcome
  }

  #jobOf(ask: TaggedAsk, { full, way, keep, call }: JobParts<T>): Job {
    const { key, minVersion = 0 } = ask
    const rules = this.#rules
    const isKnown = this.#shelf.uses(key) > 1
    return {
      key: full,
      minVersion,
      tags: (ask.tags ?? []).map((tag) => tagKey(this.#tiers, tag)),
      rules,
      isEager: way.isEager,
      fallback: this.#shelf.peek(key)?.value.entry,
      keep,
      load: async ({ min, tags, isDegraded, hasFallback }) => {
        const limits = { isDegraded, waitMs: hasFallback ? 0 : rules.hardMs / 2 }
        const entry = await loadEntry<T>(
          (limited) => way.load({ key, minVersion: min }, limits, limited),
          { key, minVersion, tags, nonce: this.#tiers.nonce(), isKnown, rules, deps: this.#tiers },
          call,
        )
        return { entry, isCacheable: !entry.isNegative || rules.negativeTtlMs > 0 }
      },
    }
  }

  /** Keeps an outcome for `isolateTtlMs` from before it was read: so long a write can go unseen here, and no longer. */
  #keep(key: string, outcome: Outcome, startedAt: number): void {
    const { entry, mayKeep, isStale } = outcome
    const until = Math.min(startedAt + this.#rules.isolateTtlMs, entry.freshUntil)
    if (!mayKeep || isStale || until <= this.#tiers.clock.now()) return
    const found = { ...this.#foundOf(outcome, key), tier: 'isolate' as const, degraded: undefined }
    const kept = { found, entry: { ...entry, body: '' }, until }
    this.#shelf.set(key, kept, entry.body.length * 2)
  }

  #foundOf({ entry, tier, isStale, degraded }: Outcome, key: string): Found<T> {
    const kept = this.#shelf.peek(key)?.value
    const rest = { version: entry.version, tier, isStale, degraded }
    if (kept?.entry.nonce === entry.nonce) return { value: kept.found.value, ...rest }
    return { value: entry.isNegative ? undefined : this.#rules.codec.decode(entry.body), ...rest }
  }
}

function mayCopy({ tags, minVersion }: TaggedAsk): boolean {
  return tags === undefined && minVersion === undefined
}

type JobParts<T> = {
  readonly full: string
  readonly way: Way<T>
  readonly keep: (outcome: Outcome) => void
  readonly call: Call
}

/** The same job for a copy of the entry at another key: its origin is the entry. */
function copyOf(job: Job, key: string, atHome: () => Promise<Outcome>): Job {
  return {
    ...job,
    key,
    isEager: false,
    load: async () => {
      const { entry, isStale, degraded, mayKeep } = await atHome()
      return { entry, isCacheable: !isStale && degraded === undefined && mayKeep }
    },
  }
}
