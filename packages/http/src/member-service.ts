import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import { parseTypedId } from '@stoa/kernel'

import type { PlatformEnv } from './env.ts'
import { report } from './report.ts'
import { createService, type Service } from './service.ts'

/**
 * A service whose callers are members: it asks the users service who holds a token, and takes the staff tokens and the
 * secret from its deployment. One round trip a check, beside the work of the route.
 */
export function createMemberService(config: PlatformEnv, { fetcher }: Links): Service {
  const sessions = clientOf(users, fetcher('users'))
  return createService({
    authenticate: async (token, call) => {
      const headers = { authorization: `Bearer ${token}` }
      return parseTypedId('usr', (await sessions.currentSession({ headers }, call)).member)
    },
    tokens: { operator: config.OPERATOR_TOKEN, importer: config.IMPORT_TOKEN },
    secret: config.STOA_SECRET,
    report,
  })
}
