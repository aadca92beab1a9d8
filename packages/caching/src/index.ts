/**
 * A cache in tiers that cannot be left stale: isolate, edge, Redis, origin. `createCache` makes one for each isolate,
 * `space` gives the entries of one kind, `invalidate` is called after a write and again from the consumer of its event.
 */
export {
  type Cache,
  type CacheLimits,
  type CacheOptions,
  createCache,
  type Invalidation,
} from './cache.ts'
export type { Ask, Found, Space, TaggedAsk } from './space.ts'
export type { Policy, Timeouts } from './policy.ts'
export type { Load, Loaded, LoadMany, Wanted } from './load.ts'
export type { Degradation, Tier } from './fetch.ts'
export type { EdgeCache } from './edge.ts'
export type { RedisDatabase } from './redis-tier.ts'
export { type Codec, jsonCodec } from './codec.ts'
export {
  CacheKeyTooLongError,
  CacheOverloadedError,
  CacheValueTooLargeError,
  InvalidationContendedError,
  StaleReadError,
  UnserialisableValueError,
} from './faults.ts'
