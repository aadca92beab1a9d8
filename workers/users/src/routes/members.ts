import { users } from '@stoa/contracts/users'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { importMembers } from '../domain/import-members.ts'
import { MemberNotFoundError, type Profile } from '../domain/member.ts'
import { register } from '../domain/register.ts'

function present({ id, handle, name, createdAt }: Profile) {
  return { id: typedId('usr', id), handle, name, createdAt: new Date(createdAt).toISOString() }
}

export function serveMembers(service: Service, deps: Deps): void {
  service.serve(users.register, async ({ body }, context) => {
    const once = await context.once()
    const { reply, replayed } = await register(deps, { once, registration: body }, context.call)
    if (replayed) context.replayed()
    return present(reply)
  })

  service.serve(users.getMember, async ({ params }, { call }) => {
    const member = await deps.members.get(parseTypedId('usr', params.member), call)
    if (member === undefined) throw new MemberNotFoundError()
    return present(member)
  })

  service.serve(users.findMember, async ({ params }, { call }) => {
    const account = await deps.members.findAccount(params.handle, call)
    if (account === undefined) throw new MemberNotFoundError()
    return present(account.member)
  })

  service.serve(users.importMembers, async ({ body }, { call, principal }) => {
    await principal()
    const outcomes = await importMembers(deps, body.lines, call)
    return {
      results: outcomes.map((each, index) => {
        const line = body.lines[index]?.line ?? 0
        if (each.outcome !== 'refused')
          return { line, outcome: each.outcome, id: typedId('usr', each.id) }
        return { line, outcome: each.outcome, code: `${each.taken}_taken` }
      }),
    }
  })
}
