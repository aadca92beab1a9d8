import { InvalidEnvError, type PlatformEnv, platformEnv, readEnv } from '@stoa/http'

export type RedisDatabase = { readonly url: string; readonly token: string }

export type Config = PlatformEnv & {
  /** Where increments wait for their drain. */
  readonly logs: readonly RedisDatabase[]
  /** Where readers look first; a cache, that may evict. */
  readonly hot: RedisDatabase
}

/**
 * @throws InvalidEnvError naming each variable that is missing or wrong, and when a log lies in the database of a cache:
 *   what a cache evicts to make room would be increments.
 */
export function readConfig(env: unknown): Config {
  const platform = readEnv(platformEnv, env)
  const first = { url: platform.REDIS_URL, token: platform.REDIS_TOKEN }
  const caches = platform.CACHE_DATABASES ?? [first]
  const logs = platform.COUNTING_LOGS ?? [first]
  const urls = logs.map(({ url }) => url)
  const shared = caches.find(({ url }) => urls.includes(url))
  if (shared !== undefined)
    throw new InvalidEnvError(
      `Cannot start with this environment: COUNTING_LOGS: ${shared.url} is a database of the caches`,
    )
  if (new Set(urls).size < urls.length)
    throw new InvalidEnvError(
      'Cannot start with this environment: COUNTING_LOGS: a database is named twice',
    )
  return { ...platform, logs, hot: caches[0] ?? first }
}
