import type { Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createUsers } from './app.ts'

let service: Service | undefined

/** The users service as a Worker of its own. It reaches no other service. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createUsers(env, {
      fetcher: () => {
        throw new Error('Cannot reach another service: users needs none')
      },
      defer: waitUntil,
    })
    return service.fetch(request)
  },
}
