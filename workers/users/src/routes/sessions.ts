import { users } from '@stoa/contracts/users'
import type { Context, Service } from '@stoa/http'
import { typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { authenticate, logIn } from '../domain/log-in.ts'
import { requestReset, resetPassword } from '../domain/reset-password.ts'
import type { Session } from '../domain/session.ts'

function present({ id, member, expiresAt }: Session) {
  return {
    id: typedId('ses', id),
    member: typedId('usr', member),
    expiresAt: new Date(expiresAt).toISOString(),
  }
}

/** The session of the caller; its token was checked to be there by the route's access. */
function current(deps: Deps, { request, call }: Context): Promise<Session> {
  const token = request.headers.get('authorization')?.replace(/^Bearer +/i, '') ?? ''
  return authenticate(deps, token, call)
}

export function serveSessions(service: Service, deps: Deps): void {
  service.serve(users.logIn, async ({ body }, { call }) => {
    const { session, token } = await logIn(deps, body, call)
    return { ...present(session), token }
  })

  service.serve(users.currentSession, async (_input, context) =>
    present(await current(deps, context)),
  )

  service.serve(users.logOut, async (_input, context) => {
    const session = await current(deps, context)
    await deps.sessions.revoke(session.id, deps.clock.now(), context.call)
    return undefined
  })

  service.serve(users.requestReset, async ({ body }, { call, principal }) => {
    const { kind } = await principal()
    const token = await requestReset(deps, body.email, call)
    return kind === 'importer' && token !== undefined ? { token } : {}
  })

  service.serve(users.reset, async ({ params, body }, { call }) => {
    await resetPassword(deps, { token: params.token, password: body.password }, call)
    return undefined
  })
}
