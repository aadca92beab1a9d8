import type { NearTopology, Topology } from '@stoa/sharding'

/** The part of the Workers' Cache API that is used. */
type PlaceCache = {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}

/** A week: longer than an outage of `meta`, and no age of a topology is unsafe. */
const keptSeconds = 604_800

/**
 * The topology of the `meta` database at `metaUrl` in the Cache API, where there is one: not on `workers.dev` addresses,
 * and not in Node. Holds addresses of databases, no token. No round trip beyond the data centre.
 *
 * @see https://developers.cloudflare.com/workers/runtime-apis/cache/
 */
export function nearTopology(metaUrl: string): NearTopology | undefined {
  const { caches } = globalThis as { caches?: { default?: PlaceCache } }
  const cache = caches?.default
  if (cache === undefined) return undefined
  // A host that never is one: the address is only a name.
  const name = `https://topology.stoa.invalid/${encodeURIComponent(metaUrl)}`
  return {
    load: async () => {
      const found = await cache.match(name)
      return found?.ok === true ? ((await found.json()) as Topology) : undefined
    },
    save: (topology) => {
      const headers = { 'cache-control': `max-age=${keptSeconds}` }
      return cache.put(name, new Response(JSON.stringify(topology), { headers }))
    },
  }
}
