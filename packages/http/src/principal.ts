import type { Access } from '@stoa/contracts'
import { type Call, Fault } from '@stoa/kernel'

import { HttpFault } from './http-fault.ts'

/** Who calls. A `guest` has no token, and may be asked for one of a cart by the service. */
export type Principal =
  | { readonly kind: 'guest' }
  | { readonly kind: 'member'; readonly member: string }
  | { readonly kind: 'operator' }
  | { readonly kind: 'importer' }

/** Finds the member of a session's token. @throws a Fault of kind `unauthenticated` when there is none. */
export type Authenticate = (token: string, call: Call) => Promise<string>

/** The caller's token is good, and not for this. */
export class NotAllowedError extends Fault {
  override readonly name = 'NotAllowedError'
  override readonly code = 'not_allowed'
  override readonly kind = 'permission_denied'

  constructor(access: Access) {
    super(`Cannot allow the request: it is for ${access} tokens`)
  }
}

export type Tokens = { readonly operator: string; readonly importer: string }

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}

/** Whether two secrets are equal, in a time that does not tell where they differ. */
export async function secretsEqual(left: string, right: string): Promise<boolean> {
  const [a, b] = await Promise.all([digest(left), digest(right)])
  return a.reduce((difference, byte, index) => difference | (byte ^ (b[index] ?? 0)), 0) === 0
}

export function bearerOf(request: Request): string | undefined {
  const header = request.headers.get('authorization')
  if (header === null) return undefined
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(header)?.[1]
  if (token !== undefined) return token
  throw new HttpFault(
    'token_invalid',
    'Cannot read the Authorization header: it must be a Bearer token',
  )
}

/**
 * Decides who calls a route of `access`.
 *
 * @throws HttpFault `token_missing` or `token_invalid`; NotAllowedError for a good token of another kind.
 */
export async function principalOf(
  request: Request,
  access: Access,
  deps: { readonly authenticate: Authenticate; readonly tokens: Tokens; readonly call: Call },
): Promise<Principal> {
  if (access === 'service') return { kind: 'guest' }
  const token = bearerOf(request)
  if (token === undefined) {
    if (access === 'public' || access === 'cart') return { kind: 'guest' }
    throw new HttpFault('token_missing', 'Cannot allow the request: it needs a Bearer token')
  }
  const staff = await staffOf(token, deps.tokens)
  if (access === 'public') return staff ?? { kind: 'guest' }
  if (access === 'operator' || access === 'importer') {
    if (staff?.kind === access) return staff
    // A member's token is told apart from a forged one only by the session it names.
    if (staff === undefined) await deps.authenticate(token, deps.call)
    throw new NotAllowedError(access)
  }
  if (staff !== undefined) throw new NotAllowedError(access)
  return { kind: 'member', member: await deps.authenticate(token, deps.call) }
}

async function staffOf(token: string, tokens: Tokens): Promise<Principal | undefined> {
  const [isOperator, isImporter] = await Promise.all([
    secretsEqual(token, tokens.operator),
    secretsEqual(token, tokens.importer),
  ])
  if (isOperator) return { kind: 'operator' }
  return isImporter ? { kind: 'importer' } : undefined
}
