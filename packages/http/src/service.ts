import { callHeaders, type Input, type Output, type Route } from '@stoa/contracts'
import { type Call, isFault, systemClock, within } from '@stoa/kernel'
import { Hono } from 'hono'
import type { z } from 'zod'

import { bodyBytesMaxDefault, parseJson, readBytes, requireJson } from './body.ts'
import { HttpFault, type Pointed } from './http-fault.ts'
import { fingerprintOf, idempotencyKeyOf, type Once } from './once.ts'
import {
  type Authenticate,
  bearerOf,
  type Principal,
  principalOf,
  type Tokens,
} from './principal.ts'
import { problemResponse } from './problem.ts'

/** The longest a request may take when its caller gives no deadline. */
const requestMsMax = 30_000

/** Some pointers at what is wrong; a body can be wrong in more places than anybody reads. */
const pointersMax = 20

/** What a handler has beside its input. */
export type Context = {
  readonly call: Call
  readonly request: Request
  /** Who calls. Resolves when the session is checked: await it before you write, and read meanwhile. */
  readonly principal: () => Promise<Principal>
  /** The calling member's id. @throws what `principal` throws, and HttpFault `token_missing` for a guest. */
  readonly member: () => Promise<string>
  /** What makes this request safe to repeat; only of an idempotent route. */
  readonly once: () => Promise<Once>
  /** Says that the answer is that of an earlier request: `Idempotency-Replayed: true` is sent. */
  readonly replayed: () => void
}

export type Handler<R extends Route> = (input: Input<R>, context: Context) => Promise<Output<R>>

export type ServiceOptions = {
  readonly authenticate: Authenticate
  readonly tokens: Tokens
  /** Keys the fingerprints of idempotent requests. */
  readonly secret: string
  /** Told of every error that is no Fault, with the request it happened in. */
  report(error: unknown, requestId: string): void
}

export type Service = {
  /** The Hono app, for what is no route of the contract: an inbox, a proxy. */
  readonly app: Hono
  serve<R extends Route>(route: R, handler: Handler<R>): void
  fetch(request: Request): Promise<Response>
}

const namedHere = new WeakMap<Request, string>()

/** The id by which a request is known in logs and meters: the caller's when it is harmless, else a new one. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get(callHeaders.requestId)
  if (given !== null && /^[A-Za-z0-9._-]{1,64}$/.test(given)) return given
  const name = namedHere.get(request) ?? crypto.randomUUID()
  namedHere.set(request, name)
  return name
}

/** The call that a request is: its id, its signal, and a deadline that only narrows on the way down. */
export function callOf(request: Request): Call {
  const left = Number(request.headers.get(callHeaders.deadline) ?? requestMsMax)
  const ms = left >= 0 ? Math.min(left, requestMsMax) : requestMsMax
  return within({ requestId: requestIdOf(request), signal: request.signal }, ms, systemClock)
}

function check(where: string, schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors: Pointed[] = parsed.error.issues.slice(0, pointersMax).map((issue) => ({
    pointer: `#/${[where, ...issue.path].join('/')}`,
    detail: issue.message,
  }))
  const [first] = errors
  throw new HttpFault(
    'invalid_request',
    `Cannot take the request: ${first?.pointer ?? where} ${first?.detail ?? 'is wrong'}`,
    { errors },
  )
}

type Given = { readonly input: unknown; readonly bytes: Uint8Array }

async function inputOf(
  request: Request,
  route: Route,
  params: Record<string, string>,
): Promise<Given> {
  const query = Object.fromEntries(new URL(request.url).searchParams)
  const given = {
    params: check('path', route.params, params),
    query: check('query', route.query, query),
  }
  if (route.body === undefined)
    return { input: { ...given, body: undefined }, bytes: new Uint8Array() }
  requireJson(request)
  const bytes = await readBytes(request, route.bodyBytesMax ?? bodyBytesMaxDefault)
  return { input: { ...given, body: check('body', route.body, parseJson(bytes)) }, bytes }
}

function nameOf(principal: Principal): string {
  return principal.kind === 'member' ? principal.member : principal.kind
}

function responseOf(route: Route, output: unknown, replayed: boolean): Response {
  const headers = new Headers({ 'x-content-type-options': 'nosniff' })
  headers.set(
    'cache-control',
    route.access === 'public' && route.method === 'get' ? 'no-cache' : 'no-store',
  )
  if (replayed) headers.set('idempotency-replayed', 'true')
  if (route.reply === undefined) return new Response(null, { status: route.status, headers })
  return Response.json(output, { status: route.status, headers })
}

async function answer(
  request: Request,
  {
    route,
    handler,
    params,
  }: { route: Route; handler: Handler<Route>; params: Record<string, string> },
  options: ServiceOptions,
): Promise<Response> {
  const call = callOf(request)
  const principal = principalOf(request, route.access, { ...options, call })
  // It is awaited below whatever the handler does; until then its failure must not count as unhandled.
  principal.catch(() => undefined)
  // Who shows no token is not told what else is wrong with the request.
  if (bearerOf(request) === undefined) await principal
  const key = route.idempotent === true ? idempotencyKeyOf(request) : undefined
  const { input, bytes } = await inputOf(request, route, params)
  let replayed = false
  const context: Context = {
    call,
    request,
    principal: () => principal,
    member: async () => {
      const who = await principal
      if (who.kind === 'member') return who.member
      throw new HttpFault('token_missing', 'Cannot allow the request: it needs a session')
    },
    once: async () => {
      if (key === undefined) throw new Error(`Cannot repeat ${route.id}: it is no idempotent route`)
      const { pathname, search } = new URL(request.url)
      return {
        principal: nameOf(await principal),
        method: route.method,
        route: route.path,
        key,
        fingerprint: await fingerprintOf([pathname, search, bytes], options.secret),
      }
    },
    replayed: () => {
      replayed = true
    },
  }
  const output = await handler(input as Input<Route>, context).catch(async (error: unknown) => {
    // What a handler found while the session was being checked is nothing for whoever may not call.
    await principal
    throw error
  })
  await principal
  return responseOf(route, output, replayed)
}

/** A service: the routes of its contract, the input of each checked before its handler, with one error shape. */
export function createService(options: ServiceOptions): Service {
  const app = new Hono()
  app.notFound((c) =>
    problemResponse(
      new HttpFault('route_not_found', `Cannot find ${c.req.method} ${c.req.path}`),
      requestIdOf(c.req.raw),
    ),
  )
  app.onError((error, c) => {
    const requestId = requestIdOf(c.req.raw)
    if (!isFault(error)) options.report(error, requestId)
    return problemResponse(error, requestId)
  })
  return {
    app,
    serve: (route, handler) => {
      const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
      app.on(route.method.toUpperCase(), path, (c) =>
        answer(
          c.req.raw,
          // `input` is what the schemas of this very route gave, so the handler's narrower type holds.
          {
            route,
            handler,
            params: c.req.param(),
          },
          options,
        ),
      )
    },
    fetch: async (request) => app.fetch(request),
  }
}
