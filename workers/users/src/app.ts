import type { Links } from '@stoa/contracts'
import { createService, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { authenticate } from './domain/log-in.ts'
import { readConfig } from './env.ts'
import { serveMembers } from './routes/members.ts'
import { serveRepairs } from './routes/repairs.ts'
import { type CheckedSessions, serveSessions } from './routes/sessions.ts'

/** The users service: members, sessions, passwords. @throws InvalidEnvError */
export function createUsers(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const checked: CheckedSessions = new WeakMap()
  const service = createService({
    authenticate: async (token, call) => {
      const session = await authenticate(deps, token, call)
      checked.set(call, session)
      return session.member
    },
    tokens: { operator: config.OPERATOR_TOKEN, importer: config.IMPORT_TOKEN },
    secret: config.STOA_SECRET,
    report,
  })
  serveMembers(service, deps)
  serveRepairs(service, deps)
  serveSessions(service, deps, checked)
  return service
}
