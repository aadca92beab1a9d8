import type { Call, Clock, Ids } from '@stoa/kernel'
import { newEvent } from '@stoa/messaging'

import type { Member } from './member.ts'
import type { ImportOutcome, ImportStore } from './ports.ts'

export type ImportLine = { readonly handle: string; readonly email: string; readonly name: string }

type Deps = { readonly imports: ImportStore; readonly ids: Ids; readonly clock: Clock }

/**
 * Makes members without a password, each once however often it is imported: its e-mail decides its place, so that a
 * second import finds the claims of the first, whether that came to its end or not.
 */
export async function importMembers(
  { imports, ids, clock }: Deps,
  lines: readonly ImportLine[],
  call: Call,
): Promise<readonly ImportOutcome[]> {
  const createdAt = clock.now()
  const proposed = lines.map(({ handle, email, name }): Member => {
    return { id: ids.root(`import|${email}`), handle, email, name, createdAt }
  })
  const claims = await imports.claimAll(proposed, call)
  const members = proposed.map((member, index) => {
    const claim = claims[index]
    return claim !== undefined && 'owner' in claim ? { ...member, id: claim.owner } : undefined
  })
  const imported = members.flatMap((member) => {
    if (member === undefined) return []
    const { id, handle, name } = member
    const source = { key: id, seq: 1, at: createdAt, cause: call.requestId }
    const event = newEvent(ids, 'member.registered', {
      ...source,
      data: { member: id, handle, name },
    })
    return [{ member, event }]
  })
  const written = await imports.writeAll(imported, call)
  const created = new Set(
    imported.flatMap(({ member }, index) => (written[index] === true ? [member.id] : [])),
  )
  return members.map((member, index): ImportOutcome => {
    const claim = claims[index]
    if (member !== undefined) {
      return { outcome: created.has(member.id) ? 'created' : 'exists', id: member.id }
    }
    return {
      outcome: 'refused',
      taken: claim !== undefined && 'taken' in claim ? claim.taken : 'handle',
    }
  })
}
