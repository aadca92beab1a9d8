import type { Links } from '@stoa/contracts'
import type { Fetcher } from '@stoa/kernel'

type Binding = { readonly fetch: Fetcher }

function isBinding(value: unknown): value is Binding {
  return typeof value === 'object' && value !== null && 'fetch' in value
}

/**
 * The neighbours of a Worker of its own: each service as it is bound, by its name in capitals.
 *
 * @throws Error, when a neighbour is asked for that wrangler.toml does not bind.
 */
export function boundFetchers(env: unknown): Links['fetcher'] {
  const bindings = new Map(Object.entries(env ?? {}))
  return (service) => {
    const name = service.toUpperCase()
    const binding: unknown = bindings.get(name)
    if (!isBinding(binding))
      throw new Error(`Cannot reach ${service}: no service is bound as ${name}`)
    return (request) => binding.fetch(request)
  }
}
