import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  ask,
  calls,
  cartOf,
  guest,
  hooks,
  ids,
  key,
  member,
  offer,
  offers,
  order,
  put,
  roundTripsOf,
  rowsEverywhere,
  spoil,
  startService,
  untilRoundTrips,
} from './world.ts'

afterEach(() => {
  delete hooks.users
  delete hooks.catalog
})

describe('POST /v1/carts', () => {
  test('opens an empty cart of the member, in the slot of the member', async () => {
    const who = member()

    const cart = await cartOf(who)

    const { body } = await ask('GET', cart.path, { headers: who.headers })
    expect(body).toEqual({
      id: cart.id,
      member: typedId('usr', who.id),
      lines: [],
      totalMinor: 0,
      currency: null,
      gone: [],
    })
    expect(cart.id.slice(4, 9)).toBe(who.id.slice(0, 5))
  })

  test.each([
    ['a member', () => member().headers],
    ['a guest', () => guest.headers],
  ])('answers a repeat of %s with the same bytes', async (_who, headersOf) => {
    const headers = { ...headersOf(), ...key() }

    const first = await ask('POST', '/v1/carts', { headers, body: {} })
    const second = await ask('POST', '/v1/carts', { headers, body: {}, from: startService() })

    expect(first.response.status).toBe(201)
    expect(second.text).toBe(first.text)
    expect(second.response.headers.get('idempotency-replayed')).toBe('true')
  })

  test('tells a guest a token, of which the cart keeps only the hash', async () => {
    const { body } = await ask('POST', '/v1/carts', { headers: key(), body: {} })

    expect(body['member']).toBeNull()
    expect(body['token']).toMatch(/^[0-9a-f]{64}$/)
    const [row] = await rowsEverywhere('SELECT secret_hash, member FROM cart WHERE id = ?', [
      String(body['id']).slice(4),
    ])
    const digest = await crypto.subtle.digest(
      'SHA-256',
      new TextEncoder().encode(String(body['token'])),
    )
    expect(row).toEqual([Buffer.from(digest).toString('hex'), null])
  })

  test('tells a member no token', async () => {
    const { body } = await ask('POST', '/v1/carts', {
      headers: { ...member().headers, ...key() },
      body: {},
    })

    expect(body).not.toHaveProperty('token')
  })

  test('refuses a key that two guests might both think of, and takes it from a member', async () => {
    const short = key('cart-1')

    const refused = await ask('POST', '/v1/carts', { headers: short, body: {} })
    const taken = await ask('POST', '/v1/carts', {
      headers: { ...member().headers, ...short },
      body: {},
    })

    expect([refused.response.status, refused.body['code']]).toEqual([400, 'guest_key_too_short'])
    expect(taken.response.status).toBe(201)
    expect(
      await rowsEverywhere("SELECT 1 FROM idempotency WHERE principal = 'guest' AND key = ?", [
        'cart-1',
      ]),
    ).toEqual([])
  })

  test('makes one guest cart over all shards when replies are lost after the effect', async () => {
    const headers = { ...key(), 'x-request-id': crypto.randomUUID() }
    const match = { requestId: headers['x-request-id'], contains: 'into \\"cart\\"' }
    await spoil({ action: 'drop-reply', times: 2, match })

    const lost = await ask('POST', '/v1/carts', { headers, body: {} })
    const again = await ask('POST', '/v1/carts', { headers, body: {} })

    expect([lost.response.status, lost.body['code']]).toEqual([503, 'ambiguous_write'])
    expect(again.response.status).toBe(201)
    const prefix = String(again.body['id']).slice(4, 9)
    const carts = await rowsEverywhere('SELECT id FROM cart WHERE substr(id, 1, 5) = ?', [prefix])
    expect(carts).toEqual([[String(again.body['id']).slice(4)]])
    const shown = await ask('GET', `/v1/carts/${String(again.body['id'])}`, {
      headers: { 'x-cart-token': String(again.body['token']) },
    })
    expect(shown.response.status).toBe(200)
  })
})

describe('a cart', () => {
  test('shows its lines at the prices of now, as they were put in, and apart what is gone', async () => {
    const cart = await cartOf(member())
    const [first, second, third] = [offer(), offer({ priceMinor: 250 }), offer()]
    await put(cart, first, { quantity: 2 })
    await put(cart, second, { quantity: 3 })
    await put(cart, third)
    await put(cart, first, { quantity: 4 })
    offers.set(second.product, { ...second, priceMinor: 300, title: 'Dearer' })
    offers.delete(third.product)

    const { body } = await ask('GET', cart.path, { headers: cart.headers })

    expect(body).toMatchObject({
      lines: [
        { product: `prd_${first.product}`, quantity: 4, priceMinor: 1_000, totalMinor: 4_000 },
        { product: `prd_${second.product}`, title: 'Dearer', quantity: 3, totalMinor: 900 },
      ],
      totalMinor: 4_900,
      currency: 'EUR',
      gone: [`prd_${third.product}`],
    })
  })

  test('loses a product by DELETE, however often it is asked', async () => {
    const cart = await cartOf(guest)
    const book = offer()
    await put(cart, book)
    const path = `${cart.path}/items/${typedId('prd', book.product)}`

    const statuses = []
    for (let times = 0; times < 2; times += 1) {
      statuses.push((await ask('DELETE', path, { headers: cart.headers })).response.status)
    }

    expect(statuses).toEqual([204, 204])
    const { body } = await ask('GET', cart.path, { headers: cart.headers })
    expect(body['lines']).toEqual([])
  })

  test('takes fifty products and no more, also of many put in at once', async () => {
    const cart = await cartOf(member())
    const books = Array.from({ length: 60 }, () => offer())

    const answers = await Promise.all(books.map((book) => put(cart, book)))

    const refused = answers.filter(({ response }) => response.status !== 204)
    expect(refused).toHaveLength(10)
    for (const { response, body } of refused) {
      expect([response.status, body['code']]).toEqual([409, 'cart_full'])
    }
    const { body } = await ask('GET', cart.path, { headers: cart.headers })
    expect(body['lines']).toHaveLength(50)
    const kept = books[answers.findIndex(({ response }) => response.status === 204)] ?? offer()
    expect((await put(cart, kept, { quantity: 7 })).response.status).toBe(204)
  })

  test('refuses a product that is not offered with 404', async () => {
    const cart = await cartOf(member())
    const gone = offer()
    offers.delete(gone.product)

    const { response, body } = await put(cart, gone)

    expect([response.status, body['code']]).toEqual([404, 'product_not_found'])
  })

  test.each([0, 1_000, 1.5, '1', null])('refuses a quantity of %j with 400', async (quantity) => {
    const cart = await cartOf(member())
    const path = `${cart.path}/items/${typedId('prd', offer().product)}`

    const { response } = await ask('PUT', path, { headers: cart.headers, body: { quantity } })

    expect(response.status).toBe(400)
  })

  test('refuses what its total could not hold', async () => {
    const cart = await cartOf(member())
    const dear = offer({ priceMinor: 1_000_000_000_000 })

    const { response, body } = await put(cart, dear, { quantity: 2 })

    expect([response.status, body['code']]).toEqual([409, 'total_too_large'])
    expect((await put(cart, dear)).response.status).toBe(204)
  })

  test('says which products are of which currency when they cannot be added up', async () => {
    const cart = await cartOf(member())
    const [euro, dollar] = [offer(), offer({ currency: 'USD' })]
    await put(cart, euro)
    await put(cart, dollar)

    const { response, body } = await ask('GET', cart.path, { headers: cart.headers })

    expect([response.status, body['code']]).toEqual([409, 'mixed_currencies'])
    expect(body['detail']).toContain(`prd_${dollar.product} (USD)`)
  })
})

describe('the door of a cart', () => {
  const wrong = { 'x-cart-token': 'f'.repeat(64) }
  const strangers: readonly (readonly [
    string,
    'member' | 'guest',
    () => Record<string, string>,
  ])[] = [
    ['a guest at a member’s cart', 'member', () => ({})],
    ['another member at a member’s cart', 'member', () => ({ ...member().headers })],
    ['a made-up token at a member’s cart', 'member', () => ({ ...wrong })],
    ['nobody at a guest’s cart', 'guest', () => ({})],
    ['a wrong token at a guest’s cart', 'guest', () => ({ ...wrong })],
    ['a member without the token at a guest’s cart', 'guest', () => ({ ...member().headers })],
  ]

  test.each(strangers)('is shut for %s, which learns nothing', async (_who, owner, headersOf) => {
    const cart = await cartOf(owner === 'member' ? member() : guest)
    const book = offer()
    await put(cart, book)
    const headers = headersOf()
    const item = `${cart.path}/items/${typedId('prd', book.product)}`

    const answers = [
      await ask('GET', cart.path, { headers }),
      await ask('PUT', item, { headers, body: { quantity: 9 } }),
      await ask('DELETE', item, { headers }),
    ]

    for (const { response, body } of answers) {
      expect([response.status, body['code']]).toEqual([404, 'cart_not_found'])
    }
    const { body } = await ask('GET', cart.path, { headers: cart.headers })
    expect(body['lines']).toMatchObject([{ quantity: 1 }])
  })

  test('is open for a member who has the token of a guest’s cart', async () => {
    const cart = await cartOf(guest)

    const headers = { ...member().headers, ...cart.headers }

    expect((await ask('GET', cart.path, { headers })).response.status).toBe(200)
  })

  test('answers a cart that never was like one of somebody else', async () => {
    const path = `/v1/carts/${typedId('crt', ids.root('nowhere'))}`

    const { response, body } = await ask('GET', path, { headers: member().headers })

    expect([response.status, body['code']]).toEqual([404, 'cart_not_found'])
  })

  test('is shut for a session that has ended, with 401', async () => {
    const cart = await cartOf(member())

    const { response } = await ask('GET', cart.path, { headers: { authorization: 'Bearer x' } })

    expect(response.status).toBe(401)
  })

  test('lets nobody change a cart that was ordered', async () => {
    const who = member()
    const cart = await cartOf(who)
    const book = offer()
    await put(cart, book)
    await order(who, cart)

    const item = `${cart.path}/items/${typedId('prd', book.product)}`
    const answers = [
      await put(cart, book, { quantity: 2 }),
      await ask('DELETE', item, { headers: who.headers }),
    ]

    for (const { response, body } of answers) {
      expect([response.status, body['code']]).toEqual([409, 'cart_closed'])
    }
  })
})

describe('the cost of a cart, warm', () => {
  test('is two round trips to add: session, cart and offer at once, then the write', async () => {
    const cart = await cartOf(member())
    const id = crypto.randomUUID()
    // Neither answers before the cart has been read: a service that took them one by one would wait for ever.
    hooks.users = () => untilRoundTrips(id, 1)
    hooks.catalog = () => untilRoundTrips(id, 1)

    const { response } = await put(cart, offer(), { more: { 'x-request-id': id } })

    expect(response.status).toBe(204)
    expect(await roundTripsOf(id)).toBe(2)
  })

  test('is two round trips to read: session and cart at once, then the offers', async () => {
    const cart = await cartOf(member())
    await put(cart, offer())
    const id = crypto.randomUUID()
    hooks.users = () => untilRoundTrips(id, 1)
    const before = calls.catalog

    const headers = { ...cart.headers, 'x-request-id': id }
    const { response } = await ask('GET', cart.path, { headers })

    expect(response.status).toBe(200)
    expect(await roundTripsOf(id)).toBe(1)
    expect(calls.catalog - before).toBe(1)
  })
})
