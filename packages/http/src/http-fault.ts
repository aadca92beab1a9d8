import { Fault, type FaultKind } from '@stoa/kernel'

type Words = {
  readonly status: number
  readonly code: string
  readonly kind: FaultKind
}

/** What only HTTP has a word for. Everything else is a Fault of the domain, and its kind decides the status. */
const words = {
  route_not_found: { status: 404, kind: 'not_found' },
  unsupported_media_type: { status: 415, kind: 'invalid_argument' },
  body_too_large: { status: 413, kind: 'invalid_argument' },
  malformed_json: { status: 400, kind: 'invalid_argument' },
  invalid_request: { status: 400, kind: 'invalid_argument' },
  idempotency_key_missing: { status: 400, kind: 'invalid_argument' },
  idempotency_key_invalid: { status: 400, kind: 'invalid_argument' },
  token_missing: { status: 401, kind: 'unauthenticated' },
  token_invalid: { status: 401, kind: 'unauthenticated' },
  service_unavailable: { status: 503, kind: 'unavailable' },
} as const satisfies Record<string, Omit<Words, 'code'>>

export type HttpCode = keyof typeof words

/** A problem of the request as HTTP: its form, its size, its keys, not its meaning. */
export class HttpFault extends Fault {
  override readonly name = 'HttpFault'
  override readonly code: HttpCode
  override readonly kind: FaultKind
  override readonly retryable: boolean
  readonly status: number
  /** Where in the request, as JSON pointers such as `#/body/email`. */
  readonly errors: readonly Pointed[] | undefined

  constructor(
    code: HttpCode,
    message: string,
    options?: ErrorOptions & { errors?: readonly Pointed[] },
  ) {
    super(message, options)
    this.code = code
    this.status = words[code].status
    this.kind = words[code].kind
    this.retryable = code === 'service_unavailable'
    this.errors = options?.errors
  }
}

export type Pointed = { readonly pointer: string; readonly detail: string }
