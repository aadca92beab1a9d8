import { users } from '@stoa/contracts/users'
import type { Context, Service } from '@stoa/http'
import { type Call, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { logIn } from '../domain/log-in.ts'
import { requestReset, resetPassword } from '../domain/reset-password.ts'
import { type Session, SessionEndedError } from '../domain/session.ts'

function present({ id, member, expiresAt }: Session) {
  return {
    id: typedId('ses', id),
    member: typedId('usr', member),
    expiresAt: new Date(expiresAt).toISOString(),
  }
}

/** The sessions that were checked, by the call they were checked for: one check serves the route and its handler. */
export type CheckedSessions = WeakMap<Call, Session>

async function current(checked: CheckedSessions, { member, call }: Context): Promise<Session> {
  await member()
  const session = checked.get(call)
  if (session === undefined) throw new SessionEndedError()
  return session
}

export function serveSessions(service: Service, deps: Deps, checked: CheckedSessions): void {
  service.serve(users.logIn, async ({ body }, { call }) => {
    const { session, token } = await logIn(deps, body, call)
    return { ...present(session), token }
  })

  service.serve(users.currentSession, async (_input, context) =>
    present(await current(checked, context)),
  )

  service.serve(users.logOut, async (_input, context) => {
    const session = await current(checked, context)
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
