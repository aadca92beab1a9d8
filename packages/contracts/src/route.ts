import type { z } from 'zod'

/**
 * Who may call a route. `public` needs no token; `member` a session; `operator` and `importer` a token of the
 * deployment; `cart` a session or the token of a guest's cart, which the service itself checks. `service` is for other
 * services alone: the gateway does not forward it, and nothing else reaches a service.
 */
export type Access = 'public' | 'member' | 'operator' | 'importer' | 'cart' | 'service'

type Shape = z.ZodObject<Readonly<Record<string, z.ZodType>>>

/** One operation of the public API: everything that its server, its clients and its documentation must agree on. */
export type Route = {
  readonly id: string
  readonly method: 'get' | 'post' | 'put' | 'delete' | 'patch'
  /** As in OpenAPI: `/v1/posts/{post}`. */
  readonly path: `/${string}`
  readonly summary: string
  readonly access: Access
  /** True when the request must carry an `Idempotency-Key`. */
  readonly idempotent?: boolean
  readonly params?: Shape
  readonly query?: Shape
  readonly body?: z.ZodType
  /** The largest body, in bytes; 64 KiB when absent. */
  readonly bodyBytesMax?: number
  readonly status: 200 | 201 | 202 | 204
  /** Absent with 204. */
  readonly reply?: z.ZodType
}

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined

/** What a handler of `R` is given, checked. */
export type Input<R extends Route> = {
  readonly params: Parsed<R['params']>
  readonly query: Parsed<R['query']>
  readonly body: Parsed<R['body']>
}

/** What a handler of `R` answers. */
export type Output<R extends Route> = R['reply'] extends z.ZodType ? z.input<R['reply']> : undefined

/** Keeps the exact types of a route while checking its shape. */
export function route<const R extends Route>(definition: R): R {
  return definition
}
