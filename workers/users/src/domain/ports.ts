import type { Call } from '@stoa/kernel'
import type { Answered, Once, StoaEvent } from '@stoa/messaging'
import type { Claim } from '@stoa/sharding'

import type { Member, Profile } from './member.ts'
import type { Session } from './session.ts'

/** What a log-in needs to know of a member. */
export type Account = { readonly member: Member; readonly passwordHash: string | undefined }

export type Claimed = { readonly owner: string } | { readonly taken: 'handle' | 'email' }

export type MemberStore = {
  /** Claims handle and e-mail for a member to be; an earlier try of the same request is found again by its id. */
  claim(member: Member, call: Call): Promise<Claimed>
  /** Writes the member, the password and the event, once for a key. @throws KeyReusedError */
  register(
    entry: {
      readonly once: Once
      readonly member: Member
      readonly passwordHash: string
      readonly events: readonly StoaEvent[]
    },
    call: Call,
  ): Promise<Answered<Member>>
  /** Through the cache. */
  get(id: string, call: Call): Promise<Profile | undefined>
  /** The row itself. One round trip. */
  read(id: string, call: Call): Promise<Member | undefined>
  /** By handle or, with an `@`, by e-mail. */
  findAccount(login: string, call: Call): Promise<Account | undefined>
}

/** Single entries of the index, as a row says that they should be. */
export type ClaimStore = {
  /** Claims and confirms; false when the text is another's. Safe to repeat. Two round trips. */
  restore(claim: Claim, call: Call): Promise<boolean>
  /** Takes out a confirmed entry, if it still leads to that owner. Safe to repeat. One round trip. */
  remove(claim: Claim, call: Call): Promise<void>
}

/** One member of an import: `id` is a proposal, kept when the member is new. */
export type Imported = { readonly member: Member; readonly event: StoaEvent }

export type ImportOutcome =
  | { readonly outcome: 'created' | 'exists'; readonly id: string }
  | { readonly outcome: 'refused'; readonly taken: 'handle' | 'email' }

export type ImportStore = {
  /**
   * Which of the members are new, under which ids: an id proposed by an import that died is taken up again. A few
   * round trips for each shard, whatever the number of members.
   */
  claimAll(members: readonly Member[], call: Call): Promise<readonly Claimed[]>
  /** Writes those that are not there yet, each with its event. */
  writeAll(imported: readonly Imported[], call: Call): Promise<readonly boolean[]>
}

export type SessionStore = {
  /** Begins the session; false when `passwordHash`, which was checked for it, is no longer the member's. */
  add(session: Session, passwordHash: string, call: Call): Promise<boolean>
  /** The session when it has neither ended nor been revoked. */
  getLive(id: string, now: number, call: Call): Promise<Session | undefined>
  revoke(id: string, now: number, call: Call): Promise<void>
}

export type ResetStore = {
  add(reset: Session, call: Call): Promise<void>
  /** Sets the password, ends every session and uses the reset up, all or nothing; false when it was not live. */
  use(
    reset: { readonly id: string; readonly secretHash: string },
    change: { readonly passwordHash: string; readonly now: number },
    call: Call,
  ): Promise<boolean>
}

/** Slow on purpose. */
export type PasswordHasher = {
  hash(password: string): Promise<string>
  /** Takes as long for an absent hash as for a wrong password. */
  verify(password: string, hash: string | undefined): Promise<boolean>
}

/** Makes secrets and their hashes. */
export type Secrets = {
  /** 256 bits, in hexadecimal. */
  create(): string
  hash(secret: string): Promise<string>
}
