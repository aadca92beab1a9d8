import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createGateway } from './app.ts'

let service: Service | undefined

/** The gateway as a Worker of its own, in front of Workers bound to it. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createGateway(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
