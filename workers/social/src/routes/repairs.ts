import { social } from '@stoa/contracts/social'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'

/** What the reconciler asks for. */
export function serveRepairs(service: Service, { profiles }: Pick<Deps, 'profiles'>): void {
  service.serve(social.recountProfile, async ({ body: { member } }, { call }) => ({
    isChanged: await profiles.recount(parseTypedId('usr', member), call),
  }))
}
