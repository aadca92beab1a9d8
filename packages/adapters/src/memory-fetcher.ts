import type { Fetcher } from '@stoa/kernel'

/**
 * A fetcher that finds the other side by the origin of the request, in `apps`: how services in one
 * process call each other. An unknown origin is rejected as a name that does not resolve.
 */
export function memoryFetcher(apps: Readonly<Record<string, Fetcher>>): Fetcher {
  return async (request) => {
    request.signal.throwIfAborted()
    const app = apps[new URL(request.url).origin]
    if (app) return app(request)
    const cause = Object.assign(new Error('No app has this origin'), { code: 'ENOTFOUND' })
    throw new TypeError('fetch failed', { cause })
  }
}
