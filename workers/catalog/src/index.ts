import type { Service as ServiceName } from '@stoa/contracts'
import type { Service } from '@stoa/http'
import type { Fetcher } from '@stoa/kernel'
import { waitUntil } from 'cloudflare:workers'

import { createCatalog } from './app.ts'

let service: Service | undefined

type Bindings = Readonly<Record<string, { readonly fetch: Fetcher } | undefined>>

/** The binding of a service; named in capitals in wrangler.toml. */
function bound(env: Bindings, name: ServiceName): Fetcher {
  const binding = env[name.toUpperCase()]
  if (binding === undefined)
    throw new Error(`Cannot reach ${name}: no service is bound as ${name.toUpperCase()}`)
  return (request) => binding.fetch(request)
}

/** The catalog service as a Worker of its own. */
export default {
  fetch(request: Request, env: Bindings): Promise<Response> {
    service ??= createCatalog(env, { fetcher: (name) => bound(env, name), defer: waitUntil })
    return service.fetch(request)
  },
}
