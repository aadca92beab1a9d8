import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createReconcilerService } from './app.ts'

let service: Service | undefined

/** The reconciler service as a Worker of its own. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createReconcilerService(env, { fetcher: boundFetchers(env), defer: waitUntil })
    return service.fetch(request)
  },
}
