import { rootCall } from '@stoa/kernel'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { buildDeps } from '../src/deps.ts'
import { logIn } from '../src/domain/log-in.ts'
import { register } from '../src/domain/register.ts'
import { requestReset, resetPassword } from '../src/domain/reset-password.ts'
import { WrongCredentialsError } from '../src/domain/session.ts'
import { readConfig } from '../src/env.ts'

test('a log-in that began before a password reset begins no session after it', async () => {
  const deps = buildDeps(readConfig(env), {
    defer: (work) => void work,
    fetcher: () => {
      throw new Error('users needs no other service')
    },
  })
  const call = rootCall('log-in-race')
  const handle = `r${Date.now().toString(36)}`
  const email = `${handle}@example.com`
  const registration = { handle, email, name: 'Ada', password: 'stolen horse' }
  const key = crypto.randomUUID()
  const once = { principal: 'guest', method: 'post', route: '/v1/users', key, fingerprint: key }
  await register(deps, { once, registration }, call)
  const token = await requestReset(deps, email, call)
  if (token === undefined) throw new Error('the member has no reset')
  const passwords = {
    ...deps.passwords,
    verify: async (password: string, hash: string | undefined) => {
      const right = await deps.passwords.verify(password, hash)
      await resetPassword(deps, { token, password: 'another horse' }, call)
      return right
    },
  }

  const late = logIn({ ...deps, passwords }, { login: handle, password: 'stolen horse' }, call)

  await expect(late).rejects.toThrow(WrongCredentialsError)
  const { session } = await logIn(deps, { login: handle, password: 'another horse' }, call)
  expect(await deps.sessions.getLive(session.id, deps.clock.now(), call)).toEqual(session)
})
