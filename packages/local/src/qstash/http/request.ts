import type { Answer, Exchange } from '../../control/exchange.ts'
import { decodeSegment, splitTarget } from '../destination.ts'
import type { Hub } from '../hub.ts'
import { Refusal } from '../refusal.ts'

/** A request as the routes see it. */
export type ApiRequest = {
  readonly hub: Hub
  readonly exchange: Exchange
  /** The raw path after `/v2/<resource>/`, nothing decoded; empty when there is none. */
  readonly rest: string
  /** `rest` in decoded segments, without empty ones at the end. */
  readonly segments: readonly string[]
  /** Raw, without the `?`. */
  readonly query: string | undefined
}

export type Route = (request: ApiRequest) => Answer

/** The resource (`publish`, `queues` …) and what belongs to it; `undefined` outside `/v2`. */
export function openRequest(
  hub: Hub,
  exchange: Exchange,
): { readonly resource: string; readonly request: ApiRequest } | undefined {
  const { path, query } = splitTarget(exchange.target)
  const [, resource, rest = ''] = /^\/v2\/([^/]+)(?:\/(.*))?$/s.exec(path) ?? []
  if (resource === undefined) return undefined
  const segments = rest.replace(/\/+$/, '').split('/').map(decodeSegment)
  const filled = segments.length === 1 && segments[0] === '' ? [] : segments
  return { resource, request: { hub, exchange, rest, segments: filled, query } }
}

export function json(status: number, body: unknown): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
}

export function empty(status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: '{}' }
}

/** @throws Refusal 400 unless the body is a JSON object; an empty one counts as `{}`. */
export function jsonObject(request: ApiRequest): Readonly<Record<string, unknown>> {
  const value = request.exchange.body.length === 0 ? {} : parseJson(request.exchange.body)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, 'body must be a JSON object')
  }
  return { ...value }
}

/** @throws Refusal 400 when it is no JSON. */
export function parseJson(body: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return value
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refusal(400, `invalid JSON body: ${reason}`)
  }
}

export function methodNotAllowed(request: ApiRequest): Refusal {
  return new Refusal(405, `method ${request.exchange.method} is not allowed here`)
}

export function notFound(what: string): Refusal {
  return new Refusal(404, `${what} not found`)
}
