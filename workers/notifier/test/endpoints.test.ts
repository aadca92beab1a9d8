import { exports } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  confirmed,
  createEndpoint,
  deliver,
  listDeliveries,
  merchant,
  newId,
  roundTripsOf,
} from './harness.ts'

type Page = {
  readonly items: readonly { readonly id: string; readonly state: string }[]
  readonly next?: string
}

const url = 'https://merchant.example.com/hooks'

describe('POST /v1/webhook-endpoints', () => {
  test('makes an endpoint with a secret of 256 bits', async () => {
    const { response, body } = await createEndpoint(newId(), { url, types: ['order.confirmed'] })

    expect(response.status).toBe(201)
    expect(body).toMatchObject({ url, types: ['order.confirmed'] })
    expect(body['id']).toMatch(/^whe_[0-9A-Z]{20}$/)
    const secret = String(body['secret'])
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(atob(secret.slice(6))).toHaveLength(32)
  })

  test('answers a repeat with the same endpoint and the same secret', async () => {
    const member = newId()
    const request = { url, types: ['order.confirmed', 'order.confirmed', 'order.rejected'] }

    const first = await createEndpoint(member, request, 'again')
    const second = await createEndpoint(member, request, 'again')

    expect(second.body).toEqual(first.body)
    expect(second.body['types']).toEqual(['order.confirmed', 'order.rejected'])
    expect(second.response.headers.get('idempotency-replayed')).toBe('true')
  })

  test('makes one endpoint of twenty requests with one key at once', async () => {
    const member = newId()

    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        createEndpoint(member, { url, types: ['order.confirmed'] }, 'k'),
      ),
    )

    expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1)
    expect(answers.map(({ response }) => response.status)).toEqual(answers.map(() => 201))
  })

  test('gives two members their own with the same key', async () => {
    const request = { url, types: ['order.confirmed'] }

    const [one, two] = await Promise.all([
      createEndpoint(newId(), request, 'shared'),
      createEndpoint(newId(), request, 'shared'),
    ])

    expect(one.body['id']).not.toBe(two.body['id'])
    expect(one.body['secret']).not.toBe(two.body['secret'])
  })

  test('refuses the same key for another request with 422', async () => {
    const member = newId()
    await createEndpoint(member, { url, types: ['order.confirmed'] }, 'k')

    const { response, body } = await createEndpoint(member, { url, types: ['order.rejected'] }, 'k')

    expect([response.status, body['code']]).toEqual([422, 'idempotency_key_reused'])
  })

  test('refuses the twenty-first endpoint of a member, and no repeat of the twentieth', async () => {
    const member = newId()
    const request = { url, types: ['order.confirmed'] }
    for (let n = 1; n <= 20; n += 1) await createEndpoint(member, request, `k${n}`)

    const over = await createEndpoint(member, request, 'k21')
    const again = await createEndpoint(member, request, 'k20')

    expect([over.response.status, over.body['code']]).toEqual([409, 'webhook_endpoints_full'])
    expect(again.response.status).toBe(201)
  })

  test.each([
    [
      'an address in the network',
      { url: 'https://10.0.0.1/', types: ['order.confirmed'] },
      'webhook_url_refused',
    ],
    [
      'plain http',
      { url: 'http://merchant.example.com/', types: ['order.confirmed'] },
      'webhook_url_refused',
    ],
    ['no URL', { url: 'hooks', types: ['order.confirmed'] }, 'invalid_request'],
    ['no types', { url, types: [] }, 'invalid_request'],
    ['an unknown type', { url, types: ['member.registered'] }, 'invalid_request'],
    ['a number', 7, 'invalid_request'],
  ])('refuses %s with 400', async (_what, request, code) => {
    const { response, body } = await createEndpoint(newId(), request)

    expect([response.status, body['code']]).toEqual([400, code])
  })

  test('refuses a stranger with 401', async () => {
    const response = await exports.default.fetch(
      new Request('http://notifier/v1/webhook-endpoints', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
        body: JSON.stringify({ url, types: ['order.confirmed'] }),
      }),
    )

    expect(response.status).toBe(401)
  })
})

describe('GET /v1/webhook-endpoints/{endpoint}/deliveries', () => {
  test('pages through the deliveries, newest first, in one round trip a page', async () => {
    const { member, endpoint } = await merchant()
    for (let n = 0; n < 5; n += 1) await deliver([confirmed(member)])

    const pages: string[][] = []
    let query = '?limit=2'
    while (query !== '') {
      const { body, requestId } = await listDeliveries(member, endpoint, query)
      const { items, next } = body as unknown as Page
      expect(items.every((item) => item.state === 'pending')).toBe(true)
      expect(await roundTripsOf(requestId)).toBe(1)
      pages.push(items.map((item) => item.id))
      query = next === undefined ? '' : `?limit=2&cursor=${next}`
    }

    const seen = pages.flat()
    expect(pages.map((page) => page.length)).toEqual([2, 2, 1])
    expect(seen).toEqual(seen.toSorted().toReversed())
    expect(new Set(seen).size).toBe(5)
  })

  test("answers 404 for another member's endpoint and for one that is not there", async () => {
    const { member, endpoint } = await merchant()

    const foreign = await listDeliveries(newId(), endpoint)
    const absent = await listDeliveries(member, `whe_${newId()}`)

    for (const { response, body } of [foreign, absent]) {
      expect([response.status, body['code']]).toEqual([404, 'endpoint_not_found'])
    }
  })

  test.each(['?cursor=!', '?cursor=AAAA', '?limit=0', '?limit=101'])(
    'refuses %s with 400',
    async (query) => {
      const { member, endpoint } = await merchant()

      expect((await listDeliveries(member, endpoint, query)).response.status).toBe(400)
    },
  )
})
