import { localProvider } from './provision.ts'

/** Enough that a hot key is seen to be spread, and few beside the sixteen that a Redis server has. */
const cachesLocally = 4
/** Enough that buckets are seen to be spread. */
const logsLocally = 2

async function makeAll(
  redisUrl: string,
  token: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const provider = localProvider(redisUrl, token)
  return Promise.all(names.map((name) => provider.createDatabase(name)))
}

function variableOf(urls: readonly string[], token: string): string {
  return urls.map((url) => `${url} ${token}`).join(' ')
}

/**
 * Makes sure that the local Redis has databases for caches, and answers the variable `CACHE_DATABASES` that names them.
 *
 * @throws Error with the server's own words when one cannot be made.
 */
export async function localCaches(redisUrl: string, token: string): Promise<string> {
  const names = Array.from({ length: cachesLocally }, (_, index) => `cache-${index}`)
  return variableOf(await makeAll(redisUrl, token, names), token)
}

/** Says under which policy a database evicts; an engine that has no such policy never does. */
async function policyOf(url: string, token: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(['INFO', 'memory']),
  })
  const { result } = (await response.json()) as { result?: unknown }
  return /maxmemory_policy:([\w-]+)/.exec(String(result))?.[1] ?? 'noeviction'
}

/**
 * Makes sure that the local Redis has databases for the logs of counting, and answers the variable `COUNTING_LOGS` that
 * names them.
 *
 * @throws Error with the server's own words when one cannot be made, and when one may evict: it would lose increments.
 */
export async function localLogs(redisUrl: string, token: string): Promise<string> {
  const names = Array.from({ length: logsLocally }, (_, index) => `counting-${index}`)
  const urls = await makeAll(redisUrl, token, names)
  for (const url of urls) {
    const policy = await policyOf(url, token)
    if (policy !== 'noeviction')
      throw new Error(
        `Cannot count in ${url}: it evicts (${policy}); set maxmemory-policy noeviction`,
      )
  }
  return variableOf(urls, token)
}
