import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createNotifier } from './app.ts'

let service: Service | undefined

/** The notifier as a Worker of its own. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createNotifier(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
