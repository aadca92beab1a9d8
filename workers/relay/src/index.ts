import { createRelay, type Relay } from './app.ts'

let relay: Relay | undefined

/** The relay as a Worker of its own: it has a timetable and no address. */
export default {
  fetch(): Response {
    return new Response(null, { status: 404 })
  },
  async scheduled(_controller: unknown, env: unknown): Promise<void> {
    relay ??= createRelay(env)
    await relay.sweep()
  },
}
