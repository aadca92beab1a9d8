import { callHeaders, route } from '@stoa/contracts'
import {
  type Call,
  DeadlineExceededError,
  Fault,
  type FaultKind,
  remainingMs,
  systemClock,
} from '@stoa/kernel'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

import {
  callOf,
  type Context,
  createService,
  type Handler,
  type HttpFault,
  requestIdOf,
} from '../src/index.ts'

const tokens = { operator: 'operator-token-0000', importer: 'importer-token-0000' }
const member = '0'.repeat(20)

class RefusedError extends Fault {
  override readonly name = 'RefusedError'
  override readonly code: string
  override readonly kind: FaultKind
  override readonly retryable: boolean
  override readonly retryAfterMs: number | undefined
  constructor(
    kind: FaultKind,
    about: { code?: string; retryable?: boolean; retryAfterMs?: number } = {},
  ) {
    super('Cannot do it')
    this.kind = kind
    this.code = about.code ?? 'refused'
    this.retryable = about.retryable ?? false
    this.retryAfterMs = about.retryAfterMs
  }
}

const base = {
  id: 'make',
  method: 'post',
  path: '/v1/things/{thing}',
  summary: 'Make',
  status: 201,
} as const
const params = z.object({ thing: z.string().regex(/^[a-z]+$/) })
const body = z.object({ name: z.string().max(10), count: z.int().optional() })
const reply = z.object({ name: z.string() })

const open = route({ ...base, access: 'public', params, body, bodyBytesMax: 100, reply })
const closed = route({ ...base, access: 'member', idempotent: true, params, body, reply })

type Made = {
  readonly handler?: Handler<typeof open>
  readonly access?: 'public' | 'member' | 'operator' | 'importer' | 'cart'
}

function serviceOf({
  handler = async ({ body: { name } }) => ({ name }),
  access = 'public',
}: Made = {}) {
  const reported: unknown[] = []
  const service = createService({
    authenticate: async (token) => {
      if (token === 'good') return member
      throw new RefusedError('unauthenticated', { code: 'session_ended' })
    },
    tokens,
    secret: 'a secret of the tests',
    report: (error) => reported.push(error),
  })
  service.serve(route({ ...open, access }), handler)
  return { service, reported }
}

const json = { 'content-type': 'application/json' }

function post(content: string, headers: Record<string, string> = json, path = '/v1/things/a') {
  return new Request(`http://service${path}`, { method: 'POST', headers, body: content })
}

async function answerOf(response: Response | Promise<Response>) {
  const settled = await response
  return {
    status: settled.status,
    headers: settled.headers,
    body: (await settled.json()) as Record<string, unknown>,
  }
}

describe('a route', () => {
  test('answers in the form and with the headers of its contract', async () => {
    const {
      status,
      headers,
      body: given,
    } = await answerOf(serviceOf().service.fetch(post('{"name":"x"}')))

    expect([status, given]).toEqual([201, { name: 'x' }])
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  test.each([
    ['application/json; charset=utf-8', 201],
    ['APPLICATION/JSON', 201],
    ['application/json ;x', 201],
    ['application/jsonx', 415],
    ['application/problem+json', 415],
    ['text/plain', 415],
    ['text/plain; application/json', 415],
    ['application/x-www-form-urlencoded', 415],
    ['multipart/form-data', 415],
    ['', 415],
  ])('takes a body of type %j with %i', async (type, expected) => {
    const response = await serviceOf().service.fetch(post('{"name":"x"}', { 'content-type': type }))

    expect(response.status).toBe(expected)
  })

  test.each([
    ['no JSON', '{', 400, 'malformed_json'],
    ['a body over its limit', `{"name":"${'x'.repeat(100)}"}`, 413, 'body_too_large'],
    ['another type', '{"name":7}', 400, 'invalid_request'],
    ['a list', '[]', 400, 'invalid_request'],
    ['null', 'null', 400, 'invalid_request'],
    ['an endless number', '{"name":"x","count":1e400}', 400, 'invalid_request'],
    ['nothing', '', 400, 'malformed_json'],
  ])('refuses %s', async (_what, content, status, code) => {
    const { service, reported } = serviceOf({
      handler: () => Promise.reject(new Error('was called')),
    })

    const answer = await answerOf(service.fetch(post(content)))

    expect([answer.status, answer.body['code']]).toEqual([status, code])
    expect(reported).toEqual([])
  })

  test('points at what is wrong, at twenty places at the most', async () => {
    const many = route({
      ...base,
      access: 'public',
      body: z.object({ list: z.array(z.int()) }),
      params,
      reply,
    })
    const { service } = serviceOf()
    service.serve(route({ ...many, path: '/v1/lists/{thing}' }), async () => ({ name: '' }))
    const content = JSON.stringify({ list: Array.from({ length: 50 }, () => 'x') })

    const answer = await answerOf(service.fetch(post(content, json, '/v1/lists/a')))

    const errors = answer.body['errors'] as readonly { pointer: string }[]
    expect(errors).toHaveLength(20)
    expect(errors[0]?.pointer).toBe('#/body/list/0')
  })

  test.each([
    ['/v1/things/A', 400, 'invalid_request'],
    ['/v1/things/%61', 201, undefined],
    ['/v1/things/a%2Fb', 400, 'invalid_request'],
    ['/v1/things/%ff', 400, 'invalid_request'],
    ['/v1/things/', 404, 'route_not_found'],
    ['/v1/things/a/', 404, 'route_not_found'],
    ['/v1/nothing', 404, 'route_not_found'],
    ['//v1/things/a', 404, 'route_not_found'],
  ])('answers %s with %i', async (path, status, code) => {
    const answer = await answerOf(serviceOf().service.fetch(post('{"name":"x"}', json, path)))

    expect([answer.status, answer.body['code']]).toEqual([status, code])
  })
})

describe('a problem', () => {
  test.each<[FaultKind, number]>([
    ['invalid_argument', 400],
    ['unauthenticated', 401],
    ['permission_denied', 403],
    ['not_found', 404],
    ['already_exists', 409],
    ['failed_precondition', 409],
    ['aborted', 409],
    ['resource_exhausted', 429],
    ['deadline_exceeded', 504],
    ['unavailable', 503],
  ])('of kind %s is %i, as RFC 9457 wants it', async (kind, status) => {
    const { service, reported } = serviceOf({
      handler: () => Promise.reject(new RefusedError(kind)),
    })

    const answer = await answerOf(
      service.fetch(post('{"name":"x"}', { ...json, 'x-request-id': 'r-1' })),
    )

    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
    expect(answer.body).toEqual({
      type: '/problems/refused',
      title: 'refused',
      status,
      code: 'refused',
      detail: 'Cannot do it',
      instance: 'urn:request:r-1',
    })
    expect(reported).toEqual([])
  })

  test.each([
    [{ retryable: false }, null],
    [{ retryable: true }, '1'],
    [{ retryable: true, retryAfterMs: 1 }, '1'],
    [{ retryable: true, retryAfterMs: 61_001 }, '62'],
  ])('that is %o asks to wait for %s seconds', async (about, expected) => {
    const { service } = serviceOf({
      handler: () => Promise.reject(new RefusedError('unavailable', about)),
    })

    const { headers } = await service.fetch(post('{"name":"x"}'))

    expect(headers.get('retry-after')).toBe(expected)
  })

  test('that is a bug shows its request and nothing else, and is reported', async () => {
    const bug = new TypeError('the password is hunter2')
    const { service, reported } = serviceOf({ handler: () => Promise.reject(bug) })

    const answer = await answerOf(
      service.fetch(post('{"name":"x"}', { ...json, 'x-request-id': 'r-2' })),
    )

    expect(answer.body).toEqual({
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      code: 'internal',
      instance: 'urn:request:r-2',
    })
    expect(reported).toEqual([bug])
  })
})

describe('who may call', () => {
  const bearer = (token: string) => ({ ...json, authorization: token })
  const statusOf = async (access: Made['access'], headers: Record<string, string>) => {
    const { service } = serviceOf(access === undefined ? {} : { access })
    const answer = await answerOf(service.fetch(post('{"name":"x"}', headers)))
    return [answer.status, answer.body['code']]
  }

  test.each([
    ['Bearer good', 201, undefined],
    ['bearer good', 201, undefined],
    ['BEARER   good', 201, undefined],
    ['Bearer bad', 401, 'session_ended'],
    ['Bearer good good', 401, 'token_invalid'],
    ['Bearer good, Bearer good', 401, 'token_invalid'],
    ['Bearer', 401, 'token_invalid'],
    ['Bearer =', 401, 'token_invalid'],
    ['Bearer go=od', 401, 'token_invalid'],
    ['Bearergood', 401, 'token_invalid'],
    ['Bearer\tgood', 401, 'token_invalid'],
    ['Basic Z29vZDo=', 401, 'token_invalid'],
    ['good', 401, 'token_invalid'],
  ])('a member with %j: %i', async (token, status, code) => {
    expect(await statusOf('member', bearer(token))).toEqual([status, code])
  })

  test.each<[Made['access'], string, number, string | undefined]>([
    ['operator', tokens.operator, 201, undefined],
    ['operator', tokens.importer, 403, 'not_allowed'],
    ['operator', 'good', 403, 'not_allowed'],
    ['operator', 'bad', 401, 'session_ended'],
    ['operator', tokens.operator.slice(0, -1), 401, 'session_ended'],
    ['importer', tokens.importer, 201, undefined],
    ['importer', tokens.operator, 403, 'not_allowed'],
    ['member', tokens.operator, 403, 'not_allowed'],
    ['cart', tokens.importer, 403, 'not_allowed'],
    ['cart', 'good', 201, undefined],
    ['public', 'anything', 201, undefined],
    ['public', tokens.operator, 201, undefined],
  ])('a route for %s with the token %s: %i', async (access, token, status, code) => {
    expect(await statusOf(access, bearer(`Bearer ${token}`))).toEqual([status, code])
  })

  test.each<[Made['access'], number]>([
    ['public', 201],
    ['cart', 201],
    ['member', 401],
    ['operator', 401],
    ['importer', 401],
  ])('a route for %s without a token: %i', async (access, status) => {
    expect((await statusOf(access, json))[0]).toBe(status)
  })

  test('what the handler found is nothing for whoever may not call', async () => {
    const handlers: readonly Handler<typeof open>[] = [
      () => Promise.reject(new RefusedError('not_found')),
      () => Promise.reject(new Error('a bug')),
      async () => ({ name: 'secret' }),
    ]
    for (const handler of handlers) {
      const { service, reported } = serviceOf({ access: 'member', handler })

      const answer = await answerOf(service.fetch(post('{"name":"x"}', bearer('Bearer bad'))))

      expect([answer.status, answer.body['code']]).toEqual([401, 'session_ended'])
      expect(reported).toEqual([])
    }
  })

  test('a handler is told who calls', async () => {
    const seen: unknown[] = []
    const handler: Handler<typeof open> = async (_input, { principal, member: memberOf }) => {
      seen.push(await principal(), await memberOf().catch((error: HttpFault) => error.code))
      return { name: '' }
    }

    for (const [access, token] of [
      ['cart', 'good'],
      ['operator', tokens.operator],
    ] as const) {
      await serviceOf({ access, handler }).service.fetch(
        post('{"name":"x"}', bearer(`Bearer ${token}`)),
      )
    }
    await serviceOf({ access: 'cart', handler }).service.fetch(post('{"name":"x"}'))

    expect(seen).toEqual([
      { kind: 'member', member },
      member,
      { kind: 'operator' },
      'token_missing',
      { kind: 'guest' },
      'token_missing',
    ])
  })
})

describe('an Idempotency-Key', () => {
  type Once = Awaited<ReturnType<Context['once']>>

  function keyed() {
    const seen: Once[] = []
    const { service } = serviceOf()
    service.serve(route({ ...closed, path: '/v1/once/{thing}' }), async (_input, context) => {
      seen.push(await context.once())
      if (seen.length > 1) context.replayed()
      return { name: '' }
    })
    const send = (headers: Record<string, string>, content = '{"name":"x"}', path = '/v1/once/a') =>
      service.fetch(post(content, { ...json, authorization: 'Bearer good', ...headers }, path))
    return { send, seen }
  }

  test.each([
    ['k', 'k'],
    ['"k"', 'k'],
    ['!~', '!~'],
    ['x'.repeat(255), 'x'.repeat(255)],
  ])('%j is taken', async (header, key) => {
    const { send, seen } = keyed()

    expect((await send({ 'idempotency-key': header })).status).toBe(201)
    expect(seen[0]).toMatchObject({
      key,
      principal: member,
      method: 'post',
      route: '/v1/once/{thing}',
    })
  })

  test.each(['', '""', 'a b', 'é', 'x'.repeat(256), '"a b"'])('%j is refused', async (header) => {
    const answer = await answerOf(keyed().send({ 'idempotency-key': header }))

    expect([answer.status, answer.body['code']]).toEqual([400, 'idempotency_key_invalid'])
  })

  test('must be there', async () => {
    const answer = await answerOf(keyed().send({}))

    expect([answer.status, answer.body['code']]).toEqual([400, 'idempotency_key_missing'])
  })

  test('stands for the whole request: body, path and query, byte by byte', async () => {
    const { send, seen } = keyed()
    const headers = { 'idempotency-key': 'k' }

    await send(headers)
    await send({ ...headers, 'x-request-id': 'other' })
    await send(headers, '{"name":"y"}')
    await send(headers, '{"name": "x"}')
    await send(headers, '{"name":"x"}', '/v1/once/b')
    await send(headers, '{"name":"x"}', '/v1/once/a?q=1')

    const prints = seen.map(({ fingerprint }) => fingerprint)
    expect(prints[1]).toBe(prints[0])
    expect(new Set(prints).size).toBe(5)
    expect(prints[0]).toMatch(/^[0-9a-f]{64}$/)
  })

  test('says when the answer is that of an earlier request', async () => {
    const { send } = keyed()
    const headers = { 'idempotency-key': 'k' }

    expect((await send(headers)).headers.get('idempotency-replayed')).toBeNull()
    expect((await send(headers)).headers.get('idempotency-replayed')).toBe('true')
  })
})

describe('a call', () => {
  const callFor = (headers: Record<string, string>): Call =>
    callOf(new Request('http://x/', { headers }))

  test.each([
    [undefined, 30_000],
    ['5000', 5_000],
    ['30001', 30_000],
    ['1e9', 30_000],
    ['Infinity', 30_000],
    ['-1', 30_000],
    ['soon', 30_000],
  ])('with the deadline %j has at most %i ms', (header, ms) => {
    const left = remainingMs(
      callFor(header === undefined ? {} : { [callHeaders.deadline]: header }),
      systemClock,
    )

    expect(left).toBeLessThanOrEqual(ms)
    expect(left).toBeGreaterThan(ms - 1_000)
  })

  test('with no time left ends at once', async () => {
    const { signal } = callFor({ [callHeaders.deadline]: '0' })

    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve)
    })
    expect(signal.reason).toBeInstanceOf(DeadlineExceededError)
  })

  test('ends when its caller hangs up', () => {
    const caller = new AbortController()
    const { signal } = callOf(new Request('http://x/', { signal: caller.signal }))

    caller.abort()

    expect(signal.aborted).toBe(true)
  })

  test.each(['r-1', 'A.b_c-9', 'x'.repeat(64)])('keeps the request id %j', (id) => {
    expect(requestIdOf(new Request('http://x/', { headers: { 'x-request-id': id } }))).toBe(id)
  })

  test.each(['', 'a b', 'x'.repeat(65), 'a/b', '<script>', 'a,b'])(
    'gives %j a name of its own, and always the same',
    (id) => {
      const request = new Request('http://x/', { headers: { 'x-request-id': id } })

      expect(requestIdOf(request)).toMatch(/^[0-9a-f-]{36}$/)
      expect(requestIdOf(request)).toBe(requestIdOf(request))
    },
  )
})
