import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  ask,
  calls,
  cartOf,
  eventsOf,
  guest,
  hooks,
  ids,
  member,
  offer,
  offers,
  order,
  type Person,
  placed,
  put,
  quiet,
  type Reply,
  roundTripsOf,
  rowsEverywhere,
  spoil,
  startService,
  unitsOf,
} from './world.ts'

afterEach(() => {
  delete hooks.users
  delete hooks.catalog
  delete hooks.fetch
})

function rawOf({ body }: Reply): string {
  return String(body['id']).slice(4)
}

function ordersOf(buyer: Person) {
  return rowsEverywhere('SELECT id FROM order_head WHERE buyer = ?', [buyer.id])
}

/** A cart with one product, and its owner. */
async function filled(change: Parameters<typeof offer>[0] = {}) {
  const buyer = member()
  const cart = await cartOf(buyer)
  const book = offer(change)
  await put(cart, book)
  return { buyer, cart, book }
}

describe('POST /v1/orders', () => {
  test('makes a confirmed order, which its buyer can read, and says so', async () => {
    const { buyer, cart, book } = await filled()
    await put(cart, book, { quantity: 3 })

    const answer = await order(buyer, cart)

    expect(answer.response.status).toBe(201)
    expect(answer.body).toMatchObject({
      buyer: typedId('usr', buyer.id),
      state: 'confirmed',
      totalMinor: 3_000,
      currency: 'EUR',
      lines: [{ product: `prd_${book.product}`, title: 'A book', quantity: 3, priceMinor: 1_000 }],
      missing: [],
      payment: null,
    })
    const shown = await ask('GET', `/v1/orders/${String(answer.body['id'])}`, {
      headers: buyer.headers,
    })
    expect(shown.text).toBe(answer.text)
    const about = { order: rawOf(answer), buyer: buyer.id }
    const lines = [{ product: book.product, quantity: 3 }]
    expect(await eventsOf(rawOf(answer))).toEqual([
      { type: 'order.placed', seq: 1, data: { ...about, lines } },
      {
        type: 'order.confirmed',
        seq: 2,
        data: { ...about, sellers: [], lines, totalMinor: 3_000, currency: 'EUR' },
      },
    ])
  })

  test('orders at the price of that moment, not of the cart’s, and keeps it', async () => {
    const { buyer, cart, book } = await filled()
    offers.set(book.product, { ...book, priceMinor: 1_500 })

    const answer = await order(buyer, cart)
    offers.set(book.product, { ...book, priceMinor: 9_000 })

    expect(answer.body['totalMinor']).toBe(1_500)
    const path = `/v1/orders/${String(answer.body['id'])}`
    expect((await ask('GET', path, { headers: buyer.headers })).text).toBe(answer.text)
  })

  test('orders fifty products in one go', async () => {
    const buyer = member()
    const cart = await cartOf(buyer)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => put(cart, offer(), { quantity: index + 1 })),
    )

    const answer = await order(buyer, cart)

    expect(answer.response.status).toBe(201)
    expect(answer.body['lines']).toHaveLength(50)
    expect(answer.body['totalMinor']).toBe(1_275_000)
  })

  test('costs three round trips of its own, and asks the catalogue only without a quote', async () => {
    for (const isQuoted of [false, true]) {
      const { buyer, cart } = await filled()
      await put(cart, offer())
      const { body } = await ask('GET', cart.path, { headers: cart.headers })
      const quote = isQuoted ? { quote: String(body['quote']) } : {}
      await quiet()
      const id = crypto.randomUUID()
      const before = { ...calls }

      await order(buyer, cart, { headers: { 'x-request-id': id }, ...quote })

      await quiet()
      // Cart, begin, decision; and the end of the saga, after the answer.
      expect(await roundTripsOf(id)).toBe(4)
      expect(calls.users - before.users).toBe(1)
      expect(calls.catalog - before.catalog).toBe(isQuoted ? 0 : 1)
      expect(calls.warehouse - before.warehouse).toBe(4)
      expect(calls.payments - before.payments).toBe(2)
    }
  })

  test('asks all stock and the payment at once', async () => {
    const buyer = member()
    const cart = await cartOf(buyer)
    for (let count = 0; count < 4; count += 1) await put(cart, offer())
    const waiting: (() => void)[] = []
    hooks.fetch = async (name, answer) => {
      if (name === 'users' || name === 'catalog' || waiting.length >= 5) return answer()
      const turn = new Promise<void>((resolve) => waiting.push(resolve))
      // Only when all five are asked does any of them answer.
      if (waiting.length === 5) for (const wake of waiting) wake()
      await turn
      return answer()
    }

    const answer = await order(buyer, cart)

    expect(answer.body['state']).toBe('confirmed')
    expect(waiting).toHaveLength(5)
  })
})

describe('an order asked for again', () => {
  test('is one order with one answer when the reply of the commit is lost', async () => {
    const { buyer, cart } = await filled()
    const again = { key: crypto.randomUUID(), headers: { 'x-request-id': crypto.randomUUID() } }
    const match = { requestId: again.headers['x-request-id'], contains: 'into \\"order_head\\"' }
    await spoil({ action: 'drop-reply', times: 1, match })

    const first = await order(buyer, cart, again)
    const second = await order(buyer, cart, { ...again, from: startService() })

    expect([first.response.status, second.response.status]).toEqual([201, 201])
    expect(second.text).toBe(first.text)
    expect(await ordersOf(buyer)).toEqual([[rawOf(first)]])
    expect(await eventsOf(rawOf(first))).toHaveLength(2)
  })

  test('is one order when every reply of the first try is lost, though its cart is closed by then', async () => {
    const { buyer, cart, book } = await filled()
    const again = { key: crypto.randomUUID(), headers: { 'x-request-id': crypto.randomUUID() } }
    const match = { requestId: again.headers['x-request-id'], contains: 'into \\"order_head\\"' }
    await spoil({ action: 'drop-reply', times: 2, match })

    const first = await order(buyer, cart, again)
    offers.delete(book.product)
    const second = await order(buyer, cart, again)

    expect(first.response.status).toBe(201)
    expect(second.response.headers.get('idempotency-replayed')).toBe('true')
    expect(second.text).toBe(first.text)
    expect(await ordersOf(buyer)).toEqual([[rawOf(second)]])
    expect(await eventsOf(rawOf(second))).toHaveLength(2)
  })

  test('is one order when a hundred come at once: they hear the same, or that it is under way', async () => {
    const { buyer, cart, book } = await filled()
    const again = { key: crypto.randomUUID() }
    const services = [startService(), startService()]

    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const from = services[index % 2]
        return order(buyer, cart, from === undefined ? again : { ...again, from })
      }),
    )
    await quiet()
    const last = await order(buyer, cart, again)

    const made = answers.filter(({ response }) => response.status === 201)
    const others = answers.filter(({ response }) => response.status !== 201)
    expect(made.length).toBeGreaterThan(0)
    expect(new Set([...made, last].map(({ text }) => text)).size).toBe(1)
    expect(others.map(({ body }) => body['code'])).toEqual(others.map(() => 'order_under_way'))
    expect(made.filter((each) => !each.response.headers.has('idempotency-replayed'))).toHaveLength(
      1,
    )
    expect(await ordersOf(buyer)).toHaveLength(1)
    expect(unitsOf(book.product)).toEqual({ confirmed: 1 })
  })

  test('is refused under the same key for another cart', async () => {
    const { buyer, cart } = await filled()
    const again = { key: crypto.randomUUID() }
    await order(buyer, cart, again)
    const other = await cartOf(buyer)
    await put(other, offer())

    const { response, body } = await order(buyer, other, again)

    expect([response.status, body['code']]).toEqual([422, 'idempotency_key_reused'])
  })
})

describe('a cart that is ordered', () => {
  test('becomes one order, though many keys race for it', async () => {
    const { buyer, cart } = await filled()
    const services = [startService(), startService()]

    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => {
        const from = services[index % 2]
        return order(buyer, cart, from === undefined ? {} : { from })
      }),
    )

    const codes = answers.map(({ response, body }) => body['code'] ?? response.status)
    expect(codes.filter((code) => code === 201)).toHaveLength(1)
    expect(codes.filter((code) => code === 'cart_closed')).toHaveLength(7)
    expect(await ordersOf(buyer)).toHaveLength(1)
  })

  test('is ordered as it is at that moment: what is put in meanwhile is in the order', async () => {
    const { buyer, cart, book } = await filled()
    hooks.catalog = async () => {
      delete hooks.catalog
      await put(cart, book, { quantity: 5 })
    }

    const answer = await order(buyer, cart)

    expect(answer.response.status).toBe(201)
    expect(answer.body['totalMinor']).toBe(5_000)
  })

  test('is left alone with 409 when somebody changes it all the time', async () => {
    const { buyer, cart, book } = await filled()
    let quantity = 1
    const change = async () => {
      delete hooks.catalog
      quantity += 1
      await put(cart, book, { quantity })
      hooks.catalog = change
    }
    hooks.catalog = change

    const { response, body } = await order(buyer, cart)

    expect([response.status, body['code']]).toEqual([409, 'cart_changed'])
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await ordersOf(buyer)).toEqual([])
  })

  test.each([
    ['an empty cart', 'cart_empty', []],
    ['mixed currencies', 'mixed_currencies', [{ currency: 'USD' }, {}]],
    ['a total beyond all measure', 'total_too_large', [{ priceMinor: 1_000_000_000_000 }, {}]],
  ])('is refused for %s with 409, and nothing is written', async (_what, code, products) => {
    const buyer = member()
    const cart = await cartOf(buyer)
    for (const each of products) await put(cart, offer(each))

    const { response, body } = await order(buyer, cart)

    expect([response.status, body['code']]).toEqual([409, code])
    expect(await ordersOf(buyer)).toEqual([])
    expect(
      await rowsEverywhere('SELECT 1 FROM cart WHERE ordered_by IS NOT NULL AND id = ?', [
        cart.id.slice(4),
      ]),
    ).toEqual([])
  })

  test('is refused with the products that are gone', async () => {
    const { buyer, cart, book } = await filled()
    const kept = offer()
    await put(cart, kept)
    offers.delete(book.product)

    const { response, body } = await order(buyer, cart)

    expect([response.status, body['code']]).toEqual([409, 'products_gone'])
    expect(body['detail']).toContain(`prd_${book.product}`)
    expect(body['detail']).not.toContain(kept.product)
    expect(await ordersOf(buyer)).toEqual([])
  })
})

describe('the cart of a guest', () => {
  async function filledByGuest() {
    const cart = await cartOf(guest)
    await put(cart, offer())
    return { buyer: member(), cart }
  }

  test('is ordered by a member who has its token, and is closed then', async () => {
    const { buyer, cart } = await filledByGuest()

    const answer = await order(buyer, cart)

    expect(answer.response.status).toBe(201)
    expect(rawOf(answer).slice(0, 5)).toBe(buyer.id.slice(0, 5))
    const second = await order(buyer, cart)
    expect([second.response.status, second.body['code']]).toEqual([409, 'cart_closed'])
    expect((await put(cart, offer())).body['code']).toBe('cart_closed')
  })

  test('is not ordered without its token', async () => {
    const { buyer, cart } = await filledByGuest()

    for (const headers of [{}, { 'x-cart-token': 'f'.repeat(64) }]) {
      const { response, body } = await order(buyer, { ...cart, headers })
      expect([response.status, body['code']]).toEqual([404, 'cart_not_found'])
    }
    expect(await ordersOf(buyer)).toEqual([])
  })

  test('is one order though it could not be closed, and a repeat closes it', async () => {
    const { buyer, cart } = await filledByGuest()
    const again = { key: crypto.randomUUID(), headers: { 'x-request-id': crypto.randomUUID() } }
    const match = { requestId: again.headers['x-request-id'], contains: 'update \\"cart\\"' }
    await spoil({ action: 'error', status: 401, times: 1, match })

    const first = await order(buyer, cart, again)
    const isOpen = (await put(cart, offer())).response.status
    const second = await order(buyer, cart, again)

    expect([first.response.status, isOpen]).toEqual([201, 204])
    expect(second.text).toBe(first.text)
    expect(await ordersOf(buyer)).toHaveLength(1)
    expect((await put(cart, offer())).body['code']).toBe('cart_closed')
  })

  test('costs one request more, beside the others', async () => {
    const { buyer, cart } = await filledByGuest()
    const id = crypto.randomUUID()

    await order(buyer, cart, { headers: { 'x-request-id': id } })

    // The cart is closed while stock and payment are asked.
    await quiet()
    expect(await roundTripsOf(id)).toBe(5)
  })
})

describe('the orders of others', () => {
  test('are not found, nor are their carts ordered', async () => {
    const { buyer, cart } = await filled()
    const stranger = member()

    const refused = await order(stranger, cart)
    const mine = await order(buyer, cart)
    const path = `/v1/orders/${String(mine.body['id'])}`
    const shown = await ask('GET', path, { headers: stranger.headers })

    expect([refused.response.status, refused.body['code']]).toEqual([404, 'cart_not_found'])
    expect([shown.response.status, shown.body['code']]).toEqual([404, 'order_not_found'])
    expect(await ordersOf(stranger)).toEqual([])
  })

  test('are told to nobody without a session', async () => {
    const { id } = await placed([offer()])

    expect((await ask('GET', `/v1/orders/${id}`)).response.status).toBe(401)
    expect((await ask('GET', '/v1/orders')).response.status).toBe(401)
    expect(
      (await ask('GET', `/v1/orders/${typedId('ord', ids.root('none'))}`, member())).response
        .status,
    ).toBe(404)
  })
})

describe('GET /v1/orders', () => {
  test('lists the own orders, newest first, page by page', async () => {
    const buyer = member()
    const made: unknown[] = []
    for (let count = 0; count < 5; count += 1) {
      const cart = await cartOf(buyer)
      await put(cart, offer({ priceMinor: count }))
      made.unshift((await order(buyer, cart)).body['id'])
    }

    const listed: unknown[] = []
    let cursor: string | undefined = ''
    let pages = 0
    while (cursor !== undefined) {
      const { text } = await ask('GET', `/v1/orders?limit=2${cursor}`, { headers: buyer.headers })
      const { items, next } = JSON.parse(text) as { items: { id: string }[]; next?: string }
      listed.push(...items.map(({ id }) => id))
      cursor = next === undefined ? undefined : `&cursor=${next}`
      pages += 1
    }

    expect(listed).toEqual(made)
    expect(pages).toBe(3)
  })

  test.each(['limit=0', 'limit=101', 'limit=x', 'cursor=x', 'cursor=MDAw'])(
    'refuses %s with 400',
    async (query) => {
      const { response } = await ask('GET', `/v1/orders?${query}`, { headers: member().headers })

      expect(response.status).toBe(400)
    },
  )
})
