import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createWarehouse } from './app.ts'

let service: Service | undefined

/** The warehouse service as a Worker of its own. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createWarehouse(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
