import type { Call, Clock, Ids } from '@stoa/kernel'

import type { MemberStore, PasswordHasher, Secrets, SessionStore } from './ports.ts'
import {
  formatToken,
  readToken,
  type Session,
  SessionEndedError,
  sessionMs,
  WrongCredentialsError,
} from './session.ts'

type Deps = {
  readonly members: MemberStore
  readonly sessions: SessionStore
  readonly passwords: PasswordHasher
  readonly secrets: Secrets
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Begins a session. A login that nobody has takes as long as a wrong password, and says the same.
 *
 * @throws WrongCredentialsError
 */
export async function logIn(
  { members, sessions, passwords, secrets, ids, clock }: Deps,
  { login, password }: { readonly login: string; readonly password: string },
  call: Call,
): Promise<{ readonly session: Session; readonly token: string }> {
  const account = await members.findAccount(login, call)
  const passwordHash = account?.passwordHash
  const right = await passwords.verify(password, passwordHash)
  if (account === undefined || passwordHash === undefined || !right) {
    throw new WrongCredentialsError()
  }
  const secret = secrets.create()
  const now = clock.now()
  const session = {
    id: ids.child(account.member.id),
    member: account.member.id,
    secretHash: await secrets.hash(secret),
    createdAt: now,
    expiresAt: now + sessionMs,
  }
  // A reset that came while the password was checked has ended every session, and this one with them.
  if (!(await sessions.add(session, passwordHash, call))) throw new WrongCredentialsError()
  return { session, token: formatToken({ id: session.id, secret }) }
}

/** The live session that `token` proves. One round trip. @throws SessionEndedError */
export async function authenticate(
  { sessions, secrets, clock }: Pick<Deps, 'sessions' | 'secrets' | 'clock'>,
  text: string,
  call: Call,
): Promise<Session> {
  const token = readToken(text)
  if (token === undefined) throw new SessionEndedError()
  const [session, secretHash] = await Promise.all([
    sessions.getLive(token.id, clock.now(), call),
    secrets.hash(token.secret),
  ])
  // Both are hashes of 256 random bits, so the time of a comparison tells nothing.
  if (session?.secretHash === secretHash) return session
  throw new SessionEndedError()
}
