import { users } from '@stoa/contracts/users'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { mendClaim } from '../domain/mend-claim.ts'

/** What the reconciler asks for. */
export function serveRepairs(service: Service, deps: Deps): void {
  service.serve(users.mendMemberClaim, async ({ body: { kind, member, text } }, { call }) => {
    await mendClaim(deps, { kind, member: parseTypedId('usr', member), text }, call)
    return undefined
  })
}
