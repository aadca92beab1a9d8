import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createSocial } from './app.ts'

let service: Service | undefined

/** The social service as a Worker of its own, with the users service bound to it. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createSocial(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
