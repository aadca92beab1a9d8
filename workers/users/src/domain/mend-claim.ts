import { type Call, Fault } from '@stoa/kernel'

import { type Member, MemberNotFoundError } from './member.ts'
import type { ClaimStore, MemberStore } from './ports.ts'

/** A text that a row has leads to somebody else: two rows have it, or will. */
export class ClaimHeldError extends Fault {
  override readonly name = 'ClaimHeldError'
  override readonly code = 'claim_held'
  override readonly kind = 'failed_precondition'

  constructor(kind: string) {
    super(`Cannot mend the ${kind} of the member: it leads to another`)
  }
}

type Deps = { readonly members: MemberStore; readonly claims: ClaimStore }

/** An entry of the index: what it says, or, without a text, what it should say. */
type Entry = {
  readonly kind: 'handle' | 'email'
  readonly member: string
  readonly text: string | undefined
}

function claimOf({ kind, member, text }: Entry & { readonly text: string }) {
  return { kind, text, owner: member }
}

/**
 * Makes an entry by which a member is found say what the member's row says: it is put in, confirmed, or taken out.
 * Whoever takes one out looks at the row again: a registration that took the entry for its own may just have come to its
 * end. Safe to repeat.
 *
 * @throws ClaimHeldError, MemberNotFoundError when neither a row nor a text says what to mend.
 */
export async function mendClaim(
  deps: Deps,
  { kind, member, text }: Entry,
  call: Call,
): Promise<void> {
  const restore = async (row: Member): Promise<void> => {
    const claim = claimOf({ kind, member, text: row[kind] })
    if (!(await deps.claims.restore(claim, call))) throw new ClaimHeldError(kind)
  }
  const row = await deps.members.read(member, call)
  if (row !== undefined && (text === undefined || row[kind] === text)) return restore(row)
  if (text === undefined) throw new MemberNotFoundError()
  await deps.claims.remove(claimOf({ kind, member, text }), call)
  const again = await deps.members.read(member, call)
  if (again?.[kind] === text) await restore(again)
  return undefined
}
