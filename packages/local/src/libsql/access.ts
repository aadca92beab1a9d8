/** What a caller may do, or (`refusal`) why nothing, in sqld's words. */
export type Access = { readonly mayWrite: boolean; readonly refusal?: string }

export type Tokens = { readonly token?: string; readonly readOnlyToken?: string }

/** Judges an `Authorization` header. With no token configured everybody may do everything, as with a bare sqld. */
export function accessOf(header: string | undefined, tokens: Tokens): Access {
  const { token, readOnlyToken } = tokens
  if (token === undefined && readOnlyToken === undefined) return { mayWrite: true }
  if (header === undefined)
    return refused('The `Authorization` HTTP header is required but was not specified')
  const [scheme = '', given = ''] = header.split(' ')
  if (scheme.toLowerCase() !== 'bearer') {
    return refused('The authentication scheme in the `Authorization` HTTP header is not supported')
  }
  if (given === readOnlyToken) return { mayWrite: false }
  if (given === token) return { mayWrite: true }
  return refused('The JWT is invalid')
}

const refused = (refusal: string): Access => ({ mayWrite: false, refusal })
