import { type Call, type Clock, Fault, type Ids } from '@stoa/kernel'

import type { MemberStore, PasswordHasher, ResetStore, Secrets } from './ports.ts'
import { formatToken, readToken } from './session.ts'

/** How long a reset is good. */
const resetMs = 60 * 60 * 1_000

/** The token was used, has expired, or never was. */
export class ResetExpiredError extends Fault {
  override readonly name = 'ResetExpiredError'
  override readonly code = 'reset_expired'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot set the password: the reset was used, has expired or never was')
  }
}

type Deps = {
  readonly members: MemberStore
  readonly resets: ResetStore
  readonly passwords: PasswordHasher
  readonly secrets: Secrets
  readonly ids: Ids
  readonly clock: Clock
}

/** Permits a new password to whoever has the token; nothing for an address that nobody has. */
export async function requestReset(
  { members, resets, secrets, ids, clock }: Deps,
  email: string,
  call: Call,
): Promise<string | undefined> {
  const account = await members.findAccount(email, call)
  if (account === undefined) return undefined
  const secret = secrets.create()
  const now = clock.now()
  const id = ids.child(account.member.id)
  const secretHash = await secrets.hash(secret)
  await resets.add(
    { id, member: account.member.id, secretHash, createdAt: now, expiresAt: now + resetMs },
    call,
  )
  return formatToken({ id, secret })
}

/** Sets a new password and ends every session. @throws ResetExpiredError */
export async function resetPassword(
  { resets, secrets, passwords, clock }: Deps,
  { token: text, password }: { readonly token: string; readonly password: string },
  call: Call,
): Promise<void> {
  const token = readToken(text)
  if (token === undefined) throw new ResetExpiredError()
  const [secretHash, passwordHash] = await Promise.all([
    secrets.hash(token.secret),
    passwords.hash(password),
  ])
  const change = { passwordHash, now: clock.now() }
  if (await resets.use({ id: token.id, secretHash }, change, call)) return
  throw new ResetExpiredError()
}
