import { exports } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

let counter = 0

/** A person nobody has registered yet. */
function person() {
  counter += 1
  const handle = `m${Date.now().toString(36)}_${counter}`
  return { handle, email: `${handle}@example.com`, password: 'correct horse', name: 'Ada L.' }
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await exports.default.fetch(
    new Request(`http://users${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  )
  return { response, body: (await response.json()) as Record<string, unknown> }
}

function register(who: ReturnType<typeof person>, key: string = crypto.randomUUID()) {
  return post('/v1/users', who, { 'idempotency-key': key })
}

describe('POST /v1/users', () => {
  test('makes a member, who is then found by id and by handle', async () => {
    const who = person()

    const { response, body } = await register(who)

    expect(response.status).toBe(201)
    expect(body).toMatchObject({ handle: who.handle, name: 'Ada L.' })
    expect(body).not.toHaveProperty('email')
    for (const path of [`/v1/users/${String(body['id'])}`, `/v1/handles/${who.handle}`]) {
      const found = await exports.default.fetch(new Request(`http://users${path}`))
      expect(await found.json()).toEqual(body)
    }
  })

  test('answers a repeat of the same request with the same member', async () => {
    const who = person()

    const first = await register(who, 'the-same-key')
    const second = await register(who, 'the-same-key')

    expect(second.response.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(second.response.headers.get('idempotency-replayed')).toBe('true')
  })

  test('refuses the same key for another request with 422', async () => {
    const who = person()
    const key = crypto.randomUUID()
    await register(who, key)

    const { response, body } = await register({ ...who, name: 'Somebody else' }, key)

    expect(response.status).toBe(422)
    expect(body['code']).toBe('idempotency_key_reused')
  })

  test('gives a handle raced by ten requests to exactly one of them', async () => {
    const { handle } = person()

    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        register({ ...person(), handle, email: `${handle}.${index}@example.com` }),
      ),
    )

    const statuses = answers.map(({ response }) => response.status).toSorted()
    expect(statuses).toEqual([201, ...Array.from({ length: 9 }, () => 409)])
  })

  test.each([
    ['no key', {}, {}, 'idempotency_key_missing'],
    ['a short password', { password: 'short' }, { 'idempotency-key': 'k' }, 'invalid_request'],
    ['a handle in capitals', { handle: 'ADA' }, { 'idempotency-key': 'k' }, 'invalid_request'],
    ['an e-mail that is none', { email: 'ada' }, { 'idempotency-key': 'k' }, 'invalid_request'],
    ['a number for a name', { name: 7 }, { 'idempotency-key': 'k' }, 'invalid_request'],
  ])('refuses %s with 400', async (_what, change, headers, code) => {
    const { response, body } = await post('/v1/users', { ...person(), ...change }, headers)

    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(body['code']).toBe(code)
  })
})
