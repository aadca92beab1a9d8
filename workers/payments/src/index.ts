import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createPayments } from './app.ts'

let service: Service | undefined

/** The payments service as a Worker of its own. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createPayments(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
