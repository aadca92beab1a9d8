import { boundFetchers, type Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

import { createRelay, createRelayService, type Relay } from './app.ts'

let relay: Relay | undefined
let service: Service | undefined

/** The relay as a Worker of its own: a timetable, its own wake-ups, and what operators ask. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    service ??= createRelayService(env)
    return service.fetch(request)
  },
  async scheduled(_controller: unknown, env: unknown): Promise<void> {
    relay ??= createRelay(env, { fetcher: boundFetchers(env), defer: waitUntil })
    await relay.sweep()
  },
}
