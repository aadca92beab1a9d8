import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createOrders } from './app.ts'

let service: Service | undefined

/** The orders service as a Worker of its own, with users and catalog bound to it. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createOrders(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
