import { type Call, type Clock, type Random, type RedisCommand, type RedisPort } from '@stoa/kernel'

import { drive, gatherSend, type Send } from './drive.ts'
import type { EdgeCache } from './edge.ts'
import { createGate } from './gate.ts'
import { createHotKeys, type HotOptions } from './hot-keys.ts'
import { bury } from './lease.ts'
import { type Policy, rulesOf } from './policy.ts'
import { createRedisTier, type RedisDatabase } from './redis-tier.ts'
import { CacheSpace, type Space } from './space.ts'
import { retag } from './tags.ts'
import { copyKey, entryKey, tagKey, type Tiers } from './tiers.ts'
import { type Bounds, TinyLfu } from './tiny-lfu.ts'

export type CacheOptions = {
  /** Begins every key in Redis: a deployment, and the form of its values. No colon. */
  readonly namespace: string
  /** The bounds of what an isolate holds. Default: 10,000 entries and 16 MiB. */
  readonly isolate?: Partial<Bounds>
  readonly edge?: EdgeCache
  /** One database or several; keys are spread over them, hot keys copied. None: only the isolate caches. */
  readonly redis: RedisPort | readonly (RedisPort | RedisDatabase)[]
  readonly clock: Clock
  readonly random: Random
  /** Keeps the isolate alive for work behind the answer. Without it that work is lost in a Worker. */
  defer(work: Promise<unknown>): void
  /** Learns of what went wrong and did not fail a caller. */
  report(error: unknown, requestId: string): void
  readonly limits?: Partial<CacheLimits>
  readonly hot?: Partial<HotOptions & { readonly copies: number }>
}

export type CacheLimits = {
  /** Milliseconds that a round trip to Redis may take. Default 250. */
  readonly redisMs: number
  /** Milliseconds that a round trip of an invalidation may take. Default 3,000. */
  readonly invalidateMs: number
  /** Milliseconds for which nobody else loads a key. Default 2,000. */
  readonly leaseMs: number
  /** Milliseconds that an invalidation outlives its write: more than loads take and replicas lag. Default 5 min. */
  readonly tombstoneMs: number
  /** Milliseconds that a Redis reader may lag. Default 10 s. */
  readonly readerLagMs: number
  /** Of a key with its namespace. Default 512. */
  readonly keyBytesMax: number
  /** Of a value as text. Default 1,000,000. */
  readonly valueBytesMax: number
  /** Loads at once in an isolate. Default 256. */
  readonly loadsMax: number
  /** Loads at once when Redis does not stand between the callers and the origin. Default 16. */
  readonly degradedLoadsMax: number
}

/** What is no longer so, as plain data that an event may carry. `version` is the row's, after the write. */
export type Invalidation =
  | { readonly space: string; readonly key: string; readonly version?: number | undefined }
  | { readonly tag: string }

/** What an invalidation does in this isolate. */
type Local = Pick<CacheSpace<unknown>, 'forget' | 'forgetTag'>

export type Cache = {
  /**
   * The entries of one kind, with a type and a policy.
   *
   * @throws RangeError for a name with a colon, for a name already given, and for a policy that contradicts itself.
   */
  space<T>(name: string, policy: Policy<T>): Space<T>
  /**
   * Makes Redis and this isolate forget, after the write has committed. Other isolates answer with what they hold for
   * at most `isolateTtlMs` more.
   *
   * Idempotent, in any order and however late: call it after the commit for speed, and from the consumer of the
   * write's event so that no crash leaves an old value. Costs one to two round trips, as many again with hot keys.
   *
   * @throws the first Fault when a database did not answer; the others have forgotten. Call it again.
   */
  invalidate(these: readonly Invalidation[], call: Call): Promise<void>
}

const defaults = {
  isolate: { entriesMax: 10_000, bytesMax: 16 * 1024 * 1024 },
  hot: { hits: 20, windowMs: 2_000, forMs: 10_000 },
  limits: {
    redisMs: 250,
    invalidateMs: 3_000,
    leaseMs: 2_000,
    tombstoneMs: 300_000,
    readerLagMs: 10_000,
    keyBytesMax: 512,
    valueBytesMax: 1_000_000,
    loadsMax: 256,
    degradedLoadsMax: 16,
  },
}

/** A load may wait for a place as long as it may take; a place is free at the latest after both. */
const placeLifeMs = 60_000

/**
 * A cache in tiers: this isolate, the edge, Redis, the origin. One for each isolate, made once.
 *
 * @throws RangeError for a namespace with a colon.
 */
export function createCache(options: CacheOptions): Cache {
  const tiers = tiersOf(options)
  const spaces = new Map<string, Local>()
  return {
    space: <T>(name: string, policy: Policy<T>): Space<T> => {
      requireName(name)
      if (spaces.has(name)) throw new RangeError(`Cannot open space "${name}" twice`)
      const space = new CacheSpace<T>(name, rulesOf(policy, tiers.tombstoneMs), tiers)
      spaces.set(name, space)
      return space
    },
    invalidate: async (these, call) => {
      for (const each of these) {
        if ('tag' in each) {
          for (const space of spaces.values()) space.forgetTag(tagKey(tiers, each.tag))
        } else spaces.get(each.space)?.forget(each.key)
      }
      await invalidateRedis(these, tiers, call)
    },
  }
}

function tiersOf(options: CacheOptions): Tiers {
  const { clock, random, redis } = options
  requireName(options.namespace)
  const limits = { ...defaults.limits, ...options.limits }
  const hot = { ...defaults.hot, ...options.hot }
  const databases = (Array.isArray(redis) ? redis : [redis]) as readonly (
    | RedisPort
    | RedisDatabase
  )[]
  return {
    clock,
    random,
    root: options.namespace,
    nonce: () => `${random.uint32().toString(36)}${random.uint32().toString(36)}`,
    isolate: new TinyLfu({ ...defaults.isolate, ...options.isolate }, () => clock.now()),
    edge: options.edge,
    redis: createRedisTier({
      databases: databases.map((each) => ('primary' in each ? each : { primary: each })),
      clock,
      random,
      redisMs: limits.redisMs,
      invalidateMs: limits.invalidateMs,
    }),
    hot: createHotKeys(hot, clock),
    hotForMs: hot.forMs,
    copies: Math.min(databases.length, hot.copies ?? databases.length),
    gate: createGate(placeLifeMs, clock, random),
    defer: (work) => options.defer(work),
    report: (error, requestId) => options.report(error, requestId),
    leaseMs: limits.leaseMs,
    tombstoneMs: limits.tombstoneMs,
    valueBytesMax: limits.valueBytesMax,
    limits,
  }
}

function requireName(name: string): void {
  if (!/^[\w.-]{1,64}$/.test(name)) {
    throw new RangeError(`Cannot name a cache "${name}": letters, digits, ".", "_" and "-" only`)
  }
}

/** An entry before its copies: what loads a copy must not find the old entry once the copy is buried. */
async function invalidateRedis(
  these: readonly Invalidation[],
  tiers: Tiers,
  call: Call,
): Promise<void> {
  const { redis, copies } = tiers
  if (redis.count === 0) return
  const lines = Array.from({ length: redis.count }, (_, database) =>
    gatherSend(redis.insistOn(database, call)),
  )
  const keys = burialsOf(these, tiers)
  const tags = these.flatMap((each) => ('tag' in each ? [tagKey(tiers, each.tag)] : []))
  const buryAt = async (copy: number): Promise<void> => {
    await everyOne(
      keys.map(async ({ full, version }) => {
        const send = lines[redis.rank(full)[copy] ?? 0]
        const terms = { ...tiers, nonce: tiers.nonce(), now: tiers.clock.now() }
        const steps = bury(copyKey(full, copy), { version, isCopy: copy > 0 }, terms)
        if (send !== undefined) await drive(steps, send)
      }),
    )
  }
  await everyOne([buryAt(0), ...lines.map((send) => retagAll(tags, send, tiers))])
  await everyOne(Array.from({ length: copies - 1 }, (_, copy) => buryAt(copy + 1)))
}

/** Each key once with its latest version, and once without when that is asked too: they would only contend. */
function burialsOf(
  these: readonly Invalidation[],
  tiers: Tiers,
): readonly { readonly full: string; readonly version: number | undefined }[] {
  const latest = new Map<string, number>()
  const whole = new Set<string>()
  for (const each of these) {
    if ('tag' in each) continue
    const full = entryKey(tiers, each.space, each.key)
    requireVersion(each.version)
    if (each.version === undefined) whole.add(full)
    else latest.set(full, Math.max(each.version, latest.get(full) ?? 0))
  }
  return [
    ...[...latest].map(([full, version]) => ({ full, version })),
    ...[...whole].map((full) => ({ full, version: undefined })),
  ]
}

function requireVersion(version: number | undefined): void {
  if (version === undefined || (Number.isSafeInteger(version) && version >= 0)) return
  throw new RangeError(`Cannot invalidate up to version ${version}: it must be a whole number`)
}

async function retagAll(tags: readonly string[], send: Send, tiers: Tiers): Promise<void> {
  if (tags.length === 0) return
  await send(tags.map((tag): RedisCommand => retag(tag, tiers.nonce())))
}

/** Waits for all, then throws the first failure. */
async function everyOne(works: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(works)
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
