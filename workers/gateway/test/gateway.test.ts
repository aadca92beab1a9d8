import { exports } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

function send(path: string, init: RequestInit = {}) {
  return exports.default.fetch(new Request(`http://gateway${path}`, init))
}

/** What the double behind the bindings says of the request that reached it. */
type Seen = {
  readonly service: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

describe('GET /health', () => {
  test('says that each part answers', async () => {
    const response = await send('/health')

    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      ok: true,
      parts: { database: 'ok', redis: 'ok', queue: 'ok' },
    })
  })
})

describe('GET /openapi.json', () => {
  test('documents every forwarded route in OpenAPI 3.1, with its problems', async () => {
    const document = (await (await send('/openapi.json')).json()) as {
      openapi: string
      paths: Record<string, Record<string, { operationId: string; responses: object }>>
    }

    expect(document.openapi).toBe('3.1.0')
    expect(document.paths['/v1/orders']?.['post']).toMatchObject({
      operationId: 'placeOrder',
      security: [{ session: [] }],
    })
    const operations = Object.values(document.paths).flatMap((each) => Object.values(each))
    expect(operations.length).toBeGreaterThan(35)
    expect(operations.every(({ responses }) => 'default' in responses)).toBe(true)
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
  })
})

describe('the gateway', () => {
  test('forwards a route of a contract to its service, with a request id it also answers', async () => {
    const response = await send('/v1/posts/pst_1?x=%2F')
    const seen = (await response.json()) as Seen

    expect(seen).toMatchObject({ service: 'social', path: '/v1/posts/pst_1?x=%2F' })
    expect(response.headers.get('x-request-id')).toBe(seen.headers['x-request-id'])
  })

  test("keeps a caller's request id when it is harmless, and no other", async () => {
    const kept = await send('/v1/posts/pst_1', { headers: { 'x-request-id': 'my-request.1' } })
    const replaced = await send('/v1/posts/pst_1', { headers: { 'x-request-id': 'a b;<script>' } })

    expect(kept.headers.get('x-request-id')).toBe('my-request.1')
    expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('takes no deadline from a stranger', async () => {
    const response = await send('/v1/posts/pst_1', { headers: { 'x-deadline-ms': '1' } })

    expect(((await response.json()) as Seen).headers).not.toHaveProperty('x-deadline-ms')
  })

  test('forwards a delivery to the inbox of its consumer with body and signature untouched', async () => {
    const body = '{"events": [ 1 ]}\n'
    const response = await send('/_inbox/warehouse', {
      method: 'POST',
      body,
      headers: { 'upstash-signature': 'a.b.c' },
    })
    const seen = (await response.json()) as Seen

    expect(seen).toMatchObject({ service: 'warehouse', path: '/_inbox/warehouse', body })
    expect(seen.headers['upstash-signature']).toBe('a.b.c')
  })

  test.each([
    ['GET', '/v1/nothing'],
    ['GET', '/'],
    ['GET', '/_inbox/warehouse'],
    ['POST', '/_inbox/gateway'],
    ['POST', '/_local/faults'],
    ['PATCH', '/v1/posts'],
    ['GET', '/v1//posts/pst_1'],
  ])('answers 404 to %s %s, which no contract names', async (method, path) => {
    const response = await send(path, { method })

    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({ code: 'route_not_found', status: 404 })
  })

  test('answers 503 for a service that does not answer, and says to come back', async () => {
    const response = await send('/v1/stats/member/usr_1')

    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({ code: 'service_unavailable' })
  })
})
