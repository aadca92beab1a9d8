import {
  callHeaders,
  consumers,
  type Route,
  type Service as ServiceName,
  services,
} from '@stoa/contracts'
import { HttpFault, problemResponse, requestIdOf, type Service, report } from '@stoa/http'

import type { Deps } from '../deps.ts'

async function forward(request: Request, name: ServiceName, { fetcher }: Deps): Promise<Response> {
  const requestId = requestIdOf(request)
  const headers = new Headers(request.headers)
  headers.set(callHeaders.requestId, requestId)
  // Only services set a deadline for each other; a stranger's would be his to choose.
  headers.delete(callHeaders.deadline)
  try {
    const answer = await fetcher(name)(new Request(request, { headers }))
    const response = new Response(answer.body, answer)
    response.headers.set(callHeaders.requestId, requestId)
    return response
  } catch (error) {
    if (request.signal.aborted) throw error
    report(error, requestId)
    const fault = new HttpFault('service_unavailable', `Cannot reach the ${name} service now`, {
      cause: error,
    })
    return problemResponse(fault, requestId)
  }
}

/** Sends each route of a contract to its service, and nothing else: what no contract names is not there. */
export function serveForwards({ app }: Service, deps: Deps): void {
  for (const name of Object.keys(services) as ServiceName[]) {
    for (const route of Object.values<Route>(services[name])) {
      if (route.access === 'service') continue
      const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
      app.on(route.method.toUpperCase(), path, (c) => forward(c.req.raw, name, deps))
    }
  }
  // The relay hears no events, but its own wake-ups come the same way.
  for (const name of [...consumers, 'relay'] as const) {
    app.post(`/_inbox/${name}`, (c) => forward(c.req.raw, name, deps))
  }
}
