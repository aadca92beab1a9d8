import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Answered, newEvent, type Once, scopeOf } from '@stoa/messaging'

import { EmailTakenError, HandleTakenError, type Member } from './member.ts'
import type { MemberStore, PasswordHasher } from './ports.ts'

export type Registration = {
  readonly handle: string
  readonly email: string
  readonly password: string
  readonly name: string
}

type Deps = {
  readonly members: MemberStore
  readonly passwords: PasswordHasher
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Makes a member, once for a key: claim handle and e-mail, then write.
 *
 * @throws HandleTakenError, EmailTakenError, KeyReusedError.
 */
export async function register(
  { members, passwords, ids, clock }: Deps,
  { once, registration }: { readonly once: Once; readonly registration: Registration },
  call: Call,
): Promise<Answered<Member>> {
  const { handle, email, name, password } = registration
  const proposed = { id: ids.root(scopeOf(once)), handle, email, name, createdAt: clock.now() }
  const claimed = await members.claim(proposed, call)
  if ('taken' in claimed) {
    throw claimed.taken === 'handle' ? new HandleTakenError(handle) : new EmailTakenError()
  }
  const member = { ...proposed, id: claimed.owner }
  const registered = newEvent(ids, 'member.registered', {
    key: member.id,
    seq: 1,
    at: member.createdAt,
    cause: call.requestId,
    data: { member: member.id, handle, name },
  })
  const passwordHash = await passwords.hash(password)
  return members.register({ once, member, passwordHash, events: [registered] }, call)
}
