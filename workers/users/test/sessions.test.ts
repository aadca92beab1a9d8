import { env, exports } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

type Body = Record<string, unknown>
let counter = 0

function unique(): string {
  counter += 1
  return `s${Date.now().toString(36)}_${counter}`
}

async function send(
  method: string,
  path: string,
  options: { body?: unknown; token?: string; key?: string } = {},
) {
  const { body, token, key } = options
  const response = await exports.default.fetch(
    new Request(`http://users${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  )
  const text = await response.text()
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
}

async function newMember(): Promise<{
  handle: string
  email: string
  password: string
  id: string
}> {
  const handle = unique()
  const who = { handle, email: `${handle}@example.com`, password: 'correct horse', name: 'Ada' }
  const { body } = await send('POST', '/v1/users', { body: who, key: crypto.randomUUID() })
  return { ...who, id: String(body['id']) }
}

function logIn(login: string, password: string) {
  return send('POST', '/v1/sessions', { body: { login, password } })
}

describe('logging in', () => {
  test('works by handle and by e-mail in any case, and the token shows who it is', async () => {
    const who = await newMember()

    for (const login of [who.handle, who.email.toUpperCase()]) {
      const { status, body } = await logIn(login, who.password)
      expect(status).toBe(201)
      const session = await send('GET', '/v1/sessions/current', { token: String(body['token']) })
      expect(session.body['member']).toBe(who.id)
    }
  })

  test('says the same for a wrong password and for a login that nobody has', async () => {
    const who = await newMember()

    const wrong = await logIn(who.handle, 'wrong horse')
    const nobody = await logIn('nobody_at_all', 'wrong horse')

    expect(wrong.status).toBe(401)
    const { instance: _one, ...left } = wrong.body
    const { instance: _other, ...right } = nobody.body
    expect(right).toEqual(left)
  })

  test('out voids the token and no other', async () => {
    const who = await newMember()
    const [one, other] = [
      await logIn(who.handle, who.password),
      await logIn(who.handle, who.password),
    ]
    const [first, second] = [String(one.body['token']), String(other.body['token'])]

    expect((await send('DELETE', '/v1/sessions/current', { token: first })).status).toBe(204)

    expect((await send('GET', '/v1/sessions/current', { token: first })).body['code']).toBe(
      'session_ended',
    )
    expect((await send('GET', '/v1/sessions/current', { token: second })).status).toBe(200)
  })

  test('refuses every token that was changed in one character', async () => {
    const who = await newMember()
    const token = String((await logIn(who.handle, who.password)).body['token'])

    for (const at of [0, 4, 12, 19, 20, 21, 50, token.length - 1]) {
      const changed = token.slice(0, at) + (token[at] === '7' ? '8' : '7') + token.slice(at + 1)
      const { status } = await send('GET', '/v1/sessions/current', { token: changed })
      expect(status, `changed at ${at}`).toBe(401)
    }
  })
})

describe('a password reset', () => {
  const importer = String((env as Body)['IMPORT_TOKEN'])

  test('is answered with its token to an importer alone', async () => {
    const who = await newMember()
    const body = { email: who.email }

    const asStranger = await send('POST', '/v1/password-resets', { body })
    const asImporter = await send('POST', '/v1/password-resets', { body, token: importer })
    const forNobody = await send('POST', '/v1/password-resets', {
      body: { email: 'nobody@example.com' },
    })

    expect([asStranger.status, asStranger.body]).toEqual([202, {}])
    expect([forNobody.status, forNobody.body]).toEqual([202, {}])
    expect(asImporter.body['token']).toMatch(/^[0-9A-Z]{20}\.[0-9a-f]{64}$/)
  })

  test('sets the password once and ends every session', async () => {
    const who = await newMember()
    const token = String((await logIn(who.handle, who.password)).body['token'])
    const asked = await send('POST', '/v1/password-resets', {
      body: { email: who.email },
      token: importer,
    })
    const reset = () =>
      send('PUT', `/v1/password-resets/${String(asked.body['token'])}`, {
        body: { password: 'another horse' },
      })

    const answers = await Promise.all([reset(), reset(), reset()])

    expect(answers.map(({ status }) => status).toSorted()).toEqual([204, 409, 409])
    expect((await send('GET', '/v1/sessions/current', { token })).status).toBe(401)
    expect((await logIn(who.handle, who.password)).status).toBe(401)
    expect((await logIn(who.handle, 'another horse')).status).toBe(201)
  })
})

describe('an import', () => {
  const importer = String((env as Body)['IMPORT_TOKEN'])

  test('creates members once, says which were there, and refuses what others have', async () => {
    const taken = await newMember()
    const names = [unique(), unique(), unique()]
    const lines = names.map((handle, index) => ({
      line: index + 1,
      handle,
      email: `${handle}@example.com`,
      name: 'N',
    }))
    const clash = { line: 4, handle: taken.handle, email: `${unique()}@example.com`, name: 'N' }
    const body = { lines: [...lines, clash] }

    const first = await send('POST', '/v1/imports/members', { body, token: importer })
    const second = await send('POST', '/v1/imports/members', { body, token: importer })

    const outcomes = (answer: Body) =>
      (answer['results'] as { outcome: string; code?: string; id?: string }[]).map(
        ({ outcome, code }) => code ?? outcome,
      )
    expect(outcomes(first.body)).toEqual(['created', 'created', 'created', 'handle_taken'])
    expect(outcomes(second.body)).toEqual(['exists', 'exists', 'exists', 'handle_taken'])
    const ids = (answer: Body) => (answer['results'] as { id?: string }[]).map(({ id }) => id)
    expect(ids(second.body)).toEqual(ids(first.body))
  })

  test('refuses an e-mail that has a member under another handle, and leaves that handle free', async () => {
    const [first, second] = [unique(), unique()]
    const email = `${first}@example.com`
    const line = (handle: string) => ({
      body: { lines: [{ line: 1, handle, email, name: 'N' }] },
      token: importer,
    })
    await send('POST', '/v1/imports/members', line(first))

    const { body } = await send('POST', '/v1/imports/members', line(second))

    expect(body['results']).toEqual([{ line: 1, outcome: 'refused', code: 'email_taken' }])
    const who = {
      handle: second,
      email: `${second}@example.com`,
      password: 'correct horse',
      name: 'Ada',
    }
    expect((await send('POST', '/v1/users', { body: who, key: crypto.randomUUID() })).status).toBe(
      201,
    )
  })

  test('sent by several at once creates each member once', async () => {
    const lines = Array.from({ length: 20 }, (_, index) => {
      const handle = unique()
      return { line: index + 1, handle, email: `${handle}@example.com`, name: 'N' }
    })

    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        send('POST', '/v1/imports/members', { body: { lines }, token: importer }),
      ),
    )

    const ids = answers.map(({ body }) => (body['results'] as { id: string }[]).map(({ id }) => id))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(new Set(ids.map((list) => list.join())).size).toBe(1)
    const found = await send('GET', `/v1/users/${ids[0]?.[0] ?? ''}`)
    expect(found.body['handle']).toBe(lines[0]?.handle)
  })

  test.each([
    [undefined, 401, 'token_missing'],
    ['a-token-that-is-none-0000', 401, 'session_ended'],
    [String((env as Body)['OPERATOR_TOKEN']), 403, 'not_allowed'],
  ])('with the token %s is refused', async (token, status, code) => {
    const body = { lines: [{ line: 1, handle: unique(), email: 'a@example.com', name: 'N' }] }

    const answer = await send('POST', '/v1/imports/members', {
      body,
      ...(token === undefined ? {} : { token }),
    })

    expect([answer.status, answer.body['code']]).toEqual([status, code])
  })
})
