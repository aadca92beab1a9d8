import { type Route, services } from '@stoa/contracts'
import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  type Api,
  apiOf,
  newCart,
  newCategory,
  newPerson,
  newProduct,
  payment,
  type Person,
  staff,
} from './people.ts'
import { everywhere } from './shards.ts'

const keyspaces = [
  'users',
  'social',
  'catalog',
  'orders',
  'warehouse',
  'procurement',
  'stats',
  'notifier',
]

let system: System
let api: Api
let ada: Person
let eve: Person
let cart: string
let product: string

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2 })
  api = apiOf(system.url)
  ada = await newPerson(api, 'ada')
  eve = await newPerson(api, 'eve')
  const category = await newCategory(api)
  product = (await newProduct(api, ada, { category, stock: 3 })).id
  cart = await newCart(api, ada, [{ product, quantity: 1 }])
})

afterAll(() => system.close())

/** How many rows each table of each database holds: what a refused request must leave alone. */
async function census(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const keyspace of keyspaces) {
    const tables = await everywhere(system, keyspace, {
      sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    })
    for (const name of new Set(tables.map((row) => String(row['name'])))) {
      const rows = await everywhere(system, keyspace, {
        sql: `SELECT count(*) AS n FROM "${name}"`,
      })
      counts[`${keyspace}.${name}`] = rows.reduce((sum, { n }) => sum + Number(n), 0)
    }
  }
  return counts
}

/** The census when nothing is on its way any more. */
async function settledCensus(): Promise<Record<string, number>> {
  let last = ''
  let counts: Record<string, number> = {}
  await expect
    .poll(
      async () => {
        counts = await census()
        const text = JSON.stringify(counts)
        const isSame = text === last
        last = text
        return isSame
      },
      { timeout: 60_000, interval: 500 },
    )
    .toBe(true)
  return counts
}

type Request = {
  readonly method: string
  readonly path: string
  readonly token?: string
  readonly key?: string
  readonly type?: string
  readonly body?: BodyInit
}

type BodyInit = string | Uint8Array<ArrayBuffer>

async function send({ method, path, token, key, type, body }: Request) {
  const response = await fetch(`${system.url}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    problem: (text.startsWith('{') ? JSON.parse(text) : {}) as { code?: string; status?: number },
  }
}

const key = () => crypto.randomUUID()
const unknown = (prefix: string) => `${prefix}_${'0'.repeat(20)}`

describe('bad input', () => {
  test('is refused with the right problem each time, and changes nothing', async () => {
    const post = { method: 'POST', path: '/v1/posts', token: ada.token }
    const member = { method: 'POST', path: '/v1/users', key: key() }
    const item = { method: 'PUT', path: `/v1/carts/${cart}/items/${product}`, token: ada.token }
    const order = { method: 'POST', path: '/v1/orders', token: ada.token }
    const follow = { method: 'PUT', path: `/v1/me/following/${ada.id}` }
    const cases: readonly (readonly [string, Request, number, string])[] = [
      ['broken JSON', { ...post, key: key(), body: '{"text":' }, 400, 'malformed_json'],
      ['no JSON at all', { ...post, key: key(), body: '' }, 400, 'malformed_json'],
      [
        'bytes that are no UTF-8',
        { ...post, key: key(), body: new Uint8Array([0x22, 0xff, 0x22]) },
        400,
        'malformed_json',
      ],
      [
        'half a surrogate pair',
        { ...post, key: key(), body: '{"text":"\\ud800"}' },
        400,
        'malformed_json',
      ],
      ['a NUL', { ...post, key: key(), body: '{"text":"a\\u0000b"}' }, 400, 'malformed_json'],
      ['an array for an object', { ...post, key: key(), body: '[]' }, 400, 'invalid_request'],
      ['a number for a text', { ...post, key: key(), body: '{"text":5}' }, 400, 'invalid_request'],
      [
        'a text that is empty',
        { ...post, key: key(), body: '{"text":"  "}' },
        400,
        'invalid_request',
      ],
      [
        'a text that is too long',
        { ...post, key: key(), body: JSON.stringify({ text: 'é'.repeat(501) }) },
        400,
        'post_too_long',
      ],
      [
        'a body that is too large',
        { ...post, key: key(), body: JSON.stringify({ text: 'x'.repeat(70_000) }) },
        413,
        'body_too_large',
      ],
      [
        'a form',
        { ...post, key: key(), type: 'application/x-www-form-urlencoded', body: 'text=hello' },
        415,
        'unsupported_media_type',
      ],
      [
        'plain text',
        { ...post, key: key(), type: 'text/plain', body: '{"text":"hello"}' },
        415,
        'unsupported_media_type',
      ],
      ['no idempotency key', { ...post, body: '{"text":"hello"}' }, 400, 'idempotency_key_missing'],
      [
        'a key with a space',
        { ...post, key: 'a b', body: '{"text":"hello"}' },
        400,
        'idempotency_key_invalid',
      ],
      [
        'no token',
        { method: 'POST', path: '/v1/posts', key: key(), body: '{"text":"hello"}' },
        401,
        'token_missing',
      ],
      [
        'a token that is none',
        { ...post, token: 'nonsense', key: key(), body: '{"text":"hello"}' },
        401,
        'session_ended',
      ],
      [
        'an operator where a member is asked for',
        { ...post, token: staff.operator, key: key(), body: '{"text":"hello"}' },
        403,
        'not_allowed',
      ],
      [
        'a member where an operator is asked for',
        {
          method: 'POST',
          path: '/v1/suppliers',
          token: ada.token,
          key: key(),
          body: '{"name":"x","email":"a@example.com"}',
        },
        403,
        'not_allowed',
      ],
      [
        'a member where an importer is asked for',
        {
          method: 'POST',
          path: '/v1/imports/categories',
          token: ada.token,
          body: '{"lines":[{"line":1,"key":"k","name":"n","path":[]}]}',
        },
        403,
        'not_allowed',
      ],
      [
        'a short password',
        {
          ...member,
          body: '{"handle":"zed","email":"z@example.com","password":"short","name":"Z"}',
        },
        400,
        'invalid_request',
      ],
      [
        'an id of another type',
        { method: 'GET', path: `/v1/posts/${ada.id}` },
        400,
        'invalid_request',
      ],
      [
        'an id in small letters',
        { method: 'GET', path: `/v1/posts/${unknown('pst').toLowerCase()}x` },
        400,
        'invalid_request',
      ],
      [
        'an unknown post',
        { method: 'GET', path: `/v1/posts/${unknown('pst')}` },
        404,
        'post_not_found',
      ],
      [
        'an unknown member',
        { method: 'GET', path: `/v1/users/${unknown('usr')}` },
        404,
        'member_not_found',
      ],
      [
        'an unknown product',
        { method: 'GET', path: `/v1/products/${unknown('prd')}` },
        404,
        'product_not_found',
      ],
      [
        'an unknown cart',
        { method: 'GET', path: `/v1/carts/${unknown('crt')}`, token: ada.token },
        404,
        'cart_not_found',
      ],
      [
        'following nobody',
        { method: 'PUT', path: `/v1/me/following/${unknown('usr')}`, token: ada.token },
        404,
        'member_not_found',
      ],
      ['following oneself', { ...follow, token: ada.token }, 400, 'cannot_follow_self'],
      [
        'a page of a thousand',
        { method: 'GET', path: `/v1/users/${ada.id}/posts?limit=1000` },
        400,
        'invalid_request',
      ],
      [
        'a page of half an item',
        { method: 'GET', path: `/v1/users/${ada.id}/posts?limit=1.5` },
        400,
        'invalid_request',
      ],
      [
        'a cursor that is none',
        { method: 'GET', path: `/v1/users/${ada.id}/posts?cursor=!!!` },
        400,
        'invalid_cursor',
      ],
      [
        "somebody else's cart",
        { ...item, token: eve.token, body: '{"quantity":2}' },
        404,
        'cart_not_found',
      ],
      ['no lamps at all', { ...item, body: '{"quantity":0}' }, 400, 'invalid_request'],
      ['minus one lamp', { ...item, body: '{"quantity":-1}' }, 400, 'invalid_request'],
      ['half a lamp', { ...item, body: '{"quantity":0.5}' }, 400, 'invalid_request'],
      [
        "an order of somebody else's cart",
        { ...order, token: eve.token, key: key(), body: JSON.stringify({ cart, payment }) },
        404,
        'cart_not_found',
      ],
      [
        'an order without a payment',
        { ...order, key: key(), body: JSON.stringify({ cart }) },
        400,
        'invalid_request',
      ],
      [
        'a forged quote',
        { ...order, key: key(), body: JSON.stringify({ cart, payment, quote: 'e30.e30' }) },
        400,
        'quote_invalid',
      ],
      [
        'a price below zero',
        {
          method: 'POST',
          path: '/v1/products',
          token: ada.token,
          key: key(),
          body: '{"sku":"x","title":"x","category":"none","priceMinor":-1,"currency":"EUR"}',
        },
        400,
        'invalid_request',
      ],
      [
        'a price with cents',
        {
          method: 'POST',
          path: '/v1/products',
          token: ada.token,
          key: key(),
          body: '{"sku":"x","title":"x","category":"none","priceMinor":9.99,"currency":"EUR"}',
        },
        400,
        'invalid_request',
      ],
      [
        'a currency that is none',
        {
          method: 'POST',
          path: '/v1/products',
          token: ada.token,
          key: key(),
          body: '{"sku":"x","title":"x","category":"none","priceMinor":1,"currency":"ZZZ"}',
        },
        400,
        'unknown_currency',
      ],
      [
        'a webhook into the house',
        {
          method: 'POST',
          path: '/v1/webhook-endpoints',
          token: ada.token,
          key: key(),
          body: '{"url":"https://169.254.169.254/","types":["order.confirmed"]}',
        },
        400,
        'webhook_url_refused',
      ],
      [
        'a delivery nobody signed',
        { method: 'POST', path: '/_inbox/warehouse', body: '{"events":[]}' },
        401,
        'bad_signature',
      ],
      [
        'a route that is none',
        { method: 'GET', path: '/v1/everything', token: ada.token },
        404,
        'route_not_found',
      ],
    ]
    const before = await settledCensus()

    const answers = []
    for (const [what, request] of cases) {
      const { status, type, problem } = await send(request)
      answers.push([what, status, problem.code, type, problem.status])
    }

    expect(answers).toEqual(
      cases.map(([what, , status, code]) => [
        what,
        status,
        code,
        'application/problem+json',
        status,
      ]),
    )
    expect(await census()).toEqual(before)
  })

  test('never makes a route answer 500, whatever JSON it is given', async () => {
    const bodies = [
      'null',
      '0',
      '""',
      '[]',
      '{}',
      '{"__proto__":{"a":1}}',
      '1e400',
      '-0',
      '{"a":{"b":{"c":[[[[]]]]}}}',
    ]
    const tokens = [undefined, ada.token, staff.operator, staff.importer]
    const routes = Object.values(services).flatMap((each) => Object.values<Route>(each))
    const requests = routes.flatMap(({ id, method, path }) =>
      (method === 'get' ? [undefined] : bodies).flatMap((body) =>
        tokens.map((token) => ({
          what: `${id} ${body ?? ''}`,
          request: {
            method: method.toUpperCase(),
            path: path.replaceAll(/\{(\w+)\}/g, 'x'),
            key: key(),
            ...(token === undefined ? {} : { token }),
            ...(body === undefined ? {} : { body }),
          },
        })),
      ),
    )

    const bad: string[] = []
    for (const { what, request } of requests) {
      const { status } = await send(request)
      if (status >= 500) bad.push(`${what}: ${status}`)
    }
    expect(bad).toEqual([])
  }, 180_000)
})
