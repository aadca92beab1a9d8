import { upstashRedis } from '@stoa/adapters/upstash-redis'
import { type Cache, createCache, type Space } from '@stoa/caching'
import { type Call, rootCall, secureRandom, systemClock } from '@stoa/kernel'

/** The variables of a deployment that a cache needs; `PlatformEnv` of `@stoa/http` has them. */
export type CacheVariables = {
  readonly REDIS_URL: string
  readonly REDIS_TOKEN: string
  /** The databases that caches are spread over, and hot keys copied to. Default: the one of `REDIS_URL`. */
  readonly CACHE_DATABASES?: readonly { readonly url: string; readonly token: string }[] | undefined
}

export type CacheHooks = {
  /** The platform's `waitUntil`: without it fills behind the answer are lost. */
  readonly defer: (work: Promise<unknown>) => void
  readonly report: (error: unknown, requestId: string) => void
}

/** The caches of all services of an isolate share its 128 MB. */
const bytesMaxOfService = 8 * 1024 * 1024

/**
 * Opens the cache of a service from the variables of its deployment; costs nothing until its first use. Keys begin with
 * `<service>.<form>`: give another `form` when values are no longer written as they were, and old ones are not read.
 */
export function openServiceCache(
  { service, form = 1 }: { readonly service: string; readonly form?: number },
  config: CacheVariables,
  { defer, report }: CacheHooks,
): Cache {
  const databases = config.CACHE_DATABASES ?? [{ url: config.REDIS_URL, token: config.REDIS_TOKEN }]
  return createCache({
    namespace: `${service}.${form}`,
    isolate: { bytesMax: bytesMaxOfService },
    redis: databases.map(({ url, token }, at) => upstashRedis({ name: `cache-${at}`, url, token })),
    clock: systemClock,
    random: secureRandom,
    defer,
    report,
  })
}

/**
 * Puts a row that has just been made where it is read next; to be deferred. Unlike an invalidation it leaves no
 * tombstone, so that the first reader pays no round trip more; and a "there is none" gives way to it all the same.
 *
 * Never fails: what is lost is at most such a "there is none", for as long as the space believes one. One round trip,
 * and one for the fill.
 */
export async function announce<T>(
  space: Space<T>,
  { key, ...loaded }: { readonly key: string; readonly value: T; readonly version: number },
  { requestId }: Pick<Call, 'requestId'>,
): Promise<void> {
  const ask = { key, minVersion: loaded.version }
  // The cache itself reports what Redis could not do; the caller has been answered.
  await space.getOrLoad(ask, async () => loaded, rootCall(requestId)).catch(() => undefined)
}
