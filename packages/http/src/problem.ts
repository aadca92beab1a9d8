import { type FaultKind, isFault } from '@stoa/kernel'

import { HttpFault } from './http-fault.ts'

const statuses = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 409,
  aborted: 409,
  resource_exhausted: 429,
  deadline_exceeded: 504,
  unavailable: 503,
} as const satisfies Record<FaultKind, number>

/** Codes for which a draft or RFC names a status of its own. */
const named: Readonly<Record<string, number>> = { idempotency_key_reused: 422 }

function bodyOf(thrown: unknown) {
  if (!isFault(thrown))
    return { type: 'about:blank', title: 'Internal Server Error', status: 500, code: 'internal' }
  const status =
    thrown instanceof HttpFault ? thrown.status : (named[thrown.code] ?? statuses[thrown.kind])
  const errors = thrown instanceof HttpFault ? thrown.errors : undefined
  return {
    type: `/problems/${thrown.code}`,
    title: thrown.code.replaceAll('_', ' '),
    status,
    code: thrown.code,
    detail: thrown.message,
    ...(errors === undefined ? {} : { errors }),
  }
}

/**
 * What was thrown, as `application/problem+json` (RFC 9457). A bug shows its request id and nothing else. A fault
 * that may pass carries `Retry-After`, in whole seconds.
 */
export function problemResponse(thrown: unknown, requestId: string): Response {
  const body = bodyOf(thrown)
  const headers = new Headers({
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  })
  if (isFault(thrown) && thrown.retryable) {
    headers.set('retry-after', String(Math.ceil((thrown.retryAfterMs ?? 1_000) / 1_000)))
  }
  if (body.status === 401) headers.set('www-authenticate', 'Bearer')
  return Response.json(
    { ...body, instance: `urn:request:${requestId}` },
    { status: body.status, headers },
  )
}
