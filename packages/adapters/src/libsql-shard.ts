import { createClient } from '@libsql/client/web'
import type { Fetcher, SqlShard } from '@stoa/kernel'

import { faultOf } from './libsql-failure.ts'
import { readOne } from './sql-over-http.ts'
import { asError, isOneSelect, runBatch } from './sql-shard-of.ts'

export type LibsqlOptions = {
  /** The name of the shard in the topology; it appears in faults and logs. */
  readonly name: string
  /** `libsql:`, `https:` or `http:`; never `ws:`, which would keep state between requests. */
  readonly url: string
  readonly token?: string
  /** How requests leave. Default: the global `fetch`. */
  readonly fetch?: Fetcher
  /** The header that carries the request id. Default: `x-request-id`. */
  readonly requestIdHeader?: string
}

/**
 * A shard on a libSQL or Turso database over HTTP, through the official client; one SELECT goes without it. Each batch
 * is exactly one HTTP request; nothing is retried; the signal of the call cancels the request.
 *
 * Each batch makes its own client (a few microseconds), because a client shared between requests would
 * make one request wait on a promise of another, which Workers forbid.
 *
 * @throws TypeError when the URL has another scheme or is none.
 */
export function libsqlShard(options: LibsqlOptions): SqlShard {
  const { name, token, fetch: fetcher, requestIdHeader = 'x-request-id' } = options
  const url = baseUrl(options.url)
  const pipeline = new URL('v2/pipeline', url).href
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return {
    name,
    async batch(statements, mode, call) {
      call.signal.throwIfAborted()
      let sent = false
      let status: number | undefined
      const { signal } = call
      const answered = async (reply: Promise<Response>): Promise<Response> => {
        sent = true
        const response = await reply
        status = response.status
        return response
      }
      try {
        if (isOneSelect(statements, mode)) {
          const headers = { ...authorization, [requestIdHeader]: call.requestId }
          const send = (to: string, init: RequestInit): Promise<Response> => {
            const request = { ...init, signal }
            return answered(
              fetcher === undefined ? fetch(to, request) : fetcher(new Request(to, request)),
            )
          }
          return [await readOne(statements[0], { url: pipeline, headers, send })]
        }
        const exchange = (request: Request): Promise<Response> => {
          request.headers.set(requestIdHeader, call.requestId)
          // A given fetcher takes a request alone; the global `fetch` is spared a request around the client's own.
          return answered(
            fetcher === undefined
              ? fetch(request, { signal })
              : fetcher(new Request(request, { signal })),
          )
        }
        const client = createClient({
          url,
          intMode: 'bigint',
          fetch: exchange,
          ...(token === undefined ? {} : { authToken: token }),
        })
        return await runBatch(client, statements, mode)
      } catch (error) {
        throw asError(faultOf(error, { shard: name, mode, call, sent, status }))
      }
    },
  }
}

/** The URL as HTTP has it, with a slash at its end: the client resolves `v2/pipeline` against it. */
function baseUrl(text: string): string {
  const url = new URL(text.replace(/^libsql:/, 'https:'))
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new TypeError(
      `Cannot use a "${url.protocol}" URL for a shard: only libsql, https and http`,
    )
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url.href
}
