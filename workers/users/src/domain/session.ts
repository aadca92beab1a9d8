import { Fault, isFault, parseId } from '@stoa/kernel'

export type Session = {
  readonly id: string
  readonly member: string
  /** SHA-256 of the secret in the token, in hexadecimal. */
  readonly secretHash: string
  readonly createdAt: number
  readonly expiresAt: number
}

/** How long a log-in lasts: 30 days, whatever is done with it. */
export const sessionMs = 30 * 24 * 60 * 60 * 1_000

/** The login or the password is wrong; which of the two is never said. */
export class WrongCredentialsError extends Fault {
  override readonly name = 'WrongCredentialsError'
  override readonly code = 'wrong_credentials'
  override readonly kind = 'unauthenticated'

  constructor() {
    super('Cannot log in: the login or the password is wrong')
  }
}

/** The token names no session, or one that has ended. */
export class SessionEndedError extends Fault {
  override readonly name = 'SessionEndedError'
  override readonly code = 'session_ended'
  override readonly kind = 'unauthenticated'

  constructor() {
    super('Cannot allow the request: the session has ended or never was')
  }
}

/** What a caller shows: the id of the session or reset, which says where its row is, and a secret. */
export type Token = { readonly id: string; readonly secret: string }

export function formatToken({ id, secret }: Token): string {
  return `${id}.${secret}`
}

/** The parts of a token, or nothing when it is none. */
export function readToken(text: string): Token | undefined {
  const [id = '', secret = '', more] = text.split('.')
  if (more !== undefined || !/^[0-9a-f]{64}$/.test(secret)) return undefined
  try {
    return { id: parseId(id), secret }
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
