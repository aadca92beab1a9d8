import { localProvider } from './provision.ts'

/** Enough that a hot key is seen to be spread, and few beside the sixteen that a Redis server has. */
const cachesLocally = 4

/**
 * Makes sure that the local Redis has databases for caches, and answers the variable `CACHE_DATABASES` that names them.
 *
 * @throws Error with the server's own words when one cannot be made.
 */
export async function localCaches(redisUrl: string, token: string): Promise<string> {
  const provider = localProvider(redisUrl, token)
  const names = Array.from({ length: cachesLocally }, (_, index) => `cache-${index}`)
  const urls = await Promise.all(names.map((name) => provider.createDatabase(name)))
  return urls.map((url) => `${url} ${token}`).join(' ')
}
