import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

import { headerMap } from './header-names.ts'
import type { Limits } from './limits.ts'
import type { Reply } from './model.ts'

type Outgoing = {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Buffer
  readonly signal: AbortSignal
}

/** Makes one delivery attempt. Never rejects: a failure is a reply too. */
export type Send = (outgoing: Outgoing) => Promise<Reply>

export type TransportOptions = {
  readonly fetch: typeof fetch
  /** Host (with port when it has one) → origin to call instead. For tests that publish to real names. */
  readonly resolveHosts: Readonly<Record<string, string>>
  readonly limits: Limits
}

/** Methods whose body `fetch` refuses. Their signature covers the empty body that is really sent. */
const bodiless = new Set(['GET', 'HEAD'])

export function sendsBody(method: string): boolean {
  return !bodiless.has(method)
}

/**
 * Deliveries over `fetch`: redirects are not followed, the reply is read up to a limit, and a host
 * name is looked up first with a short deadline, so that a wrong one fails the attempt quickly.
 */
export function fetchTransport(options: TransportOptions): Send {
  const known = new Map<string, number>()
  return async (outgoing) => {
    try {
      const url = new URL(outgoing.url)
      const instead = options.resolveHosts[url.host] ?? options.resolveHosts[url.hostname]
      const headers = new Headers()
      for (const [name, value] of outgoing.headers) headers.append(name, value)
      if (instead === undefined) await resolveName(url.hostname, known, options.limits)
      else headers.set('X-Forwarded-Host', url.host)
      const response = await options.fetch(instead === undefined ? url : moved(url, instead), {
        method: outgoing.method,
        headers,
        redirect: 'manual',
        signal: outgoing.signal,
        ...(sendsBody(outgoing.method) ? { body: new Uint8Array(outgoing.body) } : {}),
      })
      const body = await readUpTo(response, options.limits.responseBytes)
      return { status: response.status, header: headerMap(response.headers), body }
    } catch (error) {
      return { error: describe(error, outgoing.signal) }
    }
  }
}

function moved(url: URL, origin: string): URL {
  const target = new URL(origin)
  target.pathname = url.pathname
  target.search = url.search
  return target
}

/** A name that resolved is trusted for this long. */
const lookupTtlMs = 5000
const lookupsMax = 10_000

async function resolveName(
  host: string,
  known: Map<string, number>,
  limits: Limits,
): Promise<void> {
  const bare = host.replace(/^\[|\]$/g, '')
  if (isIP(bare) !== 0 || bare === 'localhost' || bare.endsWith('.localhost')) return
  const since = performance.now() - (known.get(bare) ?? Number.NEGATIVE_INFINITY)
  if (since < lookupTtlMs) return
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`lookup ${bare}: no answer in ${limits.lookupTimeoutMs} ms`)),
      limits.lookupTimeoutMs,
    )
    timer.unref()
  })
  try {
    await Promise.race([lookup(bare), late])
  } finally {
    clearTimeout(timer)
  }
  if (known.size >= lookupsMax) known.clear()
  known.set(bare, performance.now())
}

/** The first `limit` bytes; the rest of a longer reply is thrown away. */
async function readUpTo(response: Response, limit: number): Promise<Buffer> {
  if (response.body === null) return Buffer.alloc(0)
  const announced = Number(response.headers.get('content-length') ?? Number.NaN)
  if (announced <= limit) {
    const whole = Buffer.from(await response.arrayBuffer())
    return whole.length > limit ? whole.subarray(0, limit) : whole
  }
  const chunks: Uint8Array[] = []
  let size = 0
  // `fetch` bodies are streams of bytes; Node's types leave the chunk open.
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    size += value.length
    if (size < limit) continue
    await reader.cancel()
    break
  }
  return Buffer.concat(chunks, Math.min(size, limit))
}

function describe(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) {
    return signal.reason instanceof Error ? signal.reason.message : 'delivery aborted'
  }
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
