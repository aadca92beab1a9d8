import { type Call, type Fetcher, remainingMs, systemClock } from '@stoa/kernel'
import type { z } from 'zod'

import { RemoteFault, remoteFaultOf } from './problem.ts'
import type { Route } from './route.ts'

/** What travels with every call from service to service. */
export const callHeaders = {
  requestId: 'x-request-id',
  /** Milliseconds left, so that clocks need not agree. */
  deadline: 'x-deadline-ms',
} as const

type Given<T> = T extends z.ZodType ? z.input<T> : undefined
type Reply<R extends Route> = R['reply'] extends z.ZodType ? z.output<R['reply']> : undefined

/** What a caller of `R` passes, with the headers a route may need: `authorization`, `idempotency-key`. */
export type Arguments<R extends Route> = {
  readonly params?: Given<R['params']>
  readonly query?: Given<R['query']>
  readonly body?: Given<R['body']>
  readonly headers?: Readonly<Record<string, string>>
}

export type Client<Routes extends Readonly<Record<string, Route>>> = {
  readonly [K in keyof Routes]: (
    args: Arguments<Routes[K]>,
    call: Call,
  ) => Promise<Reply<Routes[K]>>
}

function pathOf(route: Route, params: unknown): string {
  const values = new Map(Object.entries(params ?? {}))
  return route.path.replace(/\{(\w+)\}/g, (_match, name: string) => {
    const value = String(values.get(name) ?? '')
    // A URL has no spelling for these as a segment: it would be another route's.
    if (value === '' || value === '.' || value === '..') {
      throw new TypeError(`Cannot call ${route.id}: "${value}" is no ${name}`)
    }
    return encodeURIComponent(value)
  })
}

function queryOf(query: unknown): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.append(name, String(value))
  }
  return search.size === 0 ? '' : `?${search.toString()}`
}

function requestOf(route: Route, args: Arguments<Route>, call: Call): Request {
  const headers = new Headers(args.headers)
  headers.set(callHeaders.requestId, call.requestId)
  const left = remainingMs(call, systemClock)
  if (Number.isFinite(left)) headers.set(callHeaders.deadline, String(Math.ceil(left)))
  if (args.body !== undefined) headers.set('content-type', 'application/json')
  return new Request(`https://service${pathOf(route, args.params)}${queryOf(args.query)}`, {
    method: route.method.toUpperCase(),
    headers,
    signal: call.signal,
    ...(args.body === undefined ? {} : { body: JSON.stringify(args.body) }),
  })
}

async function send(
  fetcher: Fetcher,
  { route, args }: { readonly route: Route; readonly args: Arguments<Route> },
  call: Call,
): Promise<unknown> {
  call.signal.throwIfAborted()
  const response = await fetcher(requestOf(route, args, call)).catch((error: unknown) => {
    // The reason of the call says more than what a runtime makes of its abort.
    call.signal.throwIfAborted()
    throw error
  })
  if (!response.ok) throw await remoteFaultOf(route.id, response)
  if (route.reply === undefined) {
    await response.body?.cancel()
    return undefined
  }
  const parsed = route.reply.safeParse(await response.json().catch(() => undefined))
  if (parsed.success) return parsed.data
  throw new RemoteFault(route.id, { status: 502, code: 'bad_reply', detail: parsed.error.message })
}

/** Sends what a typed client asks to a deployment at `origin`, over the network. */
export function fetcherAt(origin: string): Fetcher {
  return (request) => {
    const { pathname, search } = new URL(request.url)
    return fetch(new Request(`${origin}${pathname}${search}`, request))
  }
}

/**
 * A typed client of a service, made from its routes. Each call is one request over `fetcher`: a service binding, the
 * service's own app in this process, or `fetch` with the gateway's address put in.
 *
 * @throws RemoteFault with the service's own code and kind, when it answered with a problem.
 * @throws the reason of `call.signal` as soon as it aborts, and whatever the fetcher throws.
 */
export function clientOf<Routes extends Readonly<Record<string, Route>>>(
  routes: Routes,
  fetcher: Fetcher,
): Client<Routes> {
  const methods = Object.entries(routes).map(([name, route]) => [
    name,
    (args: Arguments<Route>, call: Call) => send(fetcher, { route, args }, call),
  ])
  // The mapped type says for each name what `send` does for its route; a loop cannot.
  return Object.fromEntries(methods) as Client<Routes>
}
