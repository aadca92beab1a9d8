import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  answered,
  ask,
  cartOf,
  deliver,
  eventsOf,
  hooks,
  letDeadlinePass,
  letTimePass,
  member,
  offer,
  order,
  paid,
  paymentSaid,
  type Placed,
  placed,
  put,
  quiet,
  startService,
  stock,
  sweep,
  unitsOf,
  untilEnded,
} from './world.ts'

afterEach(() => {
  delete hooks.fetch
})

async function shown({ id, buyer }: Placed): Promise<Record<string, unknown>> {
  return (await ask('GET', `/v1/orders/${id}`, { headers: buyer.headers })).body
}

function paymentStates({ id }: Pick<Placed, 'id'>): readonly string[] {
  return [...paid.values()].filter((each) => each.order === id).map(({ state }) => state)
}

describe('an order', () => {
  test('is rejected when a product is missing, and gives back the rest and the money', async () => {
    const [kept, missing] = [offer(), offer()]
    stock.set(missing.product, 0)

    const made = await placed([kept, missing])
    await quiet()

    const gone = [`prd_${missing.product}`]
    expect(await shown(made)).toMatchObject({ state: 'rejected', missing: gone, payment: null })
    expect(unitsOf(kept.product)).toEqual({ cancelled: 1 })
    expect(paymentStates(made)).toEqual(['cancelled'])
    const [, decision, ...more] = await eventsOf(made.raw)
    expect(more).toEqual([])
    expect(decision).toMatchObject({
      type: 'order.rejected',
      seq: 2,
      data: { order: made.raw, sellers: [], missing: [missing.product] },
    })
  })

  test('is rejected when the payment is refused, and says why', async () => {
    const book = offer()

    const made = await placed([book], { token: 'tok_declined' })
    await quiet()

    const why = { state: 'rejected', missing: [], payment: 'card_declined' }
    expect(await shown(made)).toMatchObject(why)
    expect(unitsOf(book.product)).toEqual({ cancelled: 1 })
    expect((await eventsOf(made.raw))[1]?.data).toMatchObject({ payment: 'card_declined' })
  })

  test('that costs nothing asks nobody for money', async () => {
    const made = await placed([offer({ priceMinor: 0 })])

    expect(await shown(made)).toMatchObject({ state: 'confirmed', totalMinor: 0 })
    expect(paymentStates(made)).toEqual([])
  })

  test('is sold to five of 24 buyers at once when there are five, though all is asked twice', async () => {
    const book = offer()
    stock.set(book.product, 5)
    hooks.fetch = async (name, answer) => {
      if (name !== 'warehouse' && name !== 'payments') return answer()
      const [first] = await Promise.all([answer(), answer()])
      return first
    }

    const all = await Promise.all(Array.from({ length: 24 }, () => placed([book])))
    await quiet()

    const states = await Promise.all(all.map(async (each) => (await shown(each))['state']))
    expect(states.filter((state) => state === 'confirmed')).toHaveLength(5)
    expect(states.filter((state) => state === 'rejected')).toHaveLength(19)
    expect(unitsOf(book.product)['confirmed']).toBe(5)
    const held = all.flatMap(paymentStates)
    expect(held.filter((state) => state === 'confirmed')).toHaveLength(5)
    expect(held).not.toContain('tried')
  })

  test('is refused without a payment, and nothing is written', async () => {
    const buyer = member()
    const cart = await cartOf(buyer)
    await put(cart, offer())
    const headers = { ...buyer.headers, 'idempotency-key': crypto.randomUUID() }

    for (const payment of [undefined, {}, { token: '' }, { token: 'x'.repeat(256) }]) {
      const body = { cart: cart.id, ...(payment === undefined ? {} : { payment }) }
      const { response } = await ask('POST', '/v1/orders', { headers, body })
      expect(response.status).toBe(400)
    }
    const { body } = await ask('GET', '/v1/orders', { headers: buyer.headers })
    expect(body['items']).toEqual([])
  })
})

describe('an order whose payer has to act', () => {
  test('is pending, keeps its stock, and its first answer stays for every repeat', async () => {
    const book = offer()
    const buyer = member()
    const cart = await cartOf(buyer)
    await put(cart, book)
    const how = { key: crypto.randomUUID(), token: 'tok_action' }

    const first = await order(buyer, cart, how)
    const id = String(first.body['id'])
    const waiting = unitsOf(book.product)
    answered.add(id)
    await untilEnded(id.slice(4))
    const again = await order(buyer, cart, how)

    expect([first.response.status, waiting]).toEqual([201, { tried: 1 }])
    expect(first.body).toMatchObject({ state: 'pending', payment: 'requires_action', missing: [] })
    expect(again.text).toBe(first.text)
    const { body } = await ask('GET', `/v1/orders/${id}`, { headers: buyer.headers })
    expect(body).toMatchObject({ state: 'confirmed', payment: null })
    expect(unitsOf(book.product)).toEqual({ confirmed: 1 })
  })

  test('goes on when the payments service says so, once however often it says it', async () => {
    const made = await placed([offer()], { token: 'tok_action' })
    answered.add(made.id)
    const event = paymentSaid('payment.authorised', made)

    const statuses = [
      (await deliver([event, event])).status,
      (await deliver([event, paymentSaid('payment.declined', made)])).status,
    ]
    await quiet()

    expect(statuses).toEqual([200, 200])
    expect(await shown(made)).toMatchObject({ state: 'confirmed' })
    expect(await eventsOf(made.raw)).toHaveLength(2)
    expect(paymentStates(made)).toEqual(['confirmed'])
  })

  test('is given up at its deadline, and what comes later changes nothing', async () => {
    const book = offer()
    const made = await placed([book], { token: 'tok_action' })

    await letDeadlinePass(made.raw)
    await untilEnded(made.raw)
    answered.add(made.id)
    await deliver([paymentSaid('payment.authorised', made)])
    await quiet()

    expect(await shown(made)).toMatchObject({ state: 'rejected', payment: 'requires_action' })
    expect(unitsOf(book.product)).toEqual({ cancelled: 1 })
    expect(paymentStates(made)).toEqual(['void'])
  })
})

describe('a participant', () => {
  test.each(['warehouse', 'payments'] as const)(
    'whose answer is lost leaves the order pending: %s is asked again, and has done it once',
    async (lost) => {
      const book = offer()
      hooks.fetch = async (name, answer) => {
        const response = await answer()
        if (name === lost) throw new TypeError('Network connection lost.')
        return response
      }
      const made = await placed([book])
      delete hooks.fetch
      const before = await shown(made)

      await untilEnded(made.raw)

      expect(before).toMatchObject({ state: 'pending' })
      expect(await shown(made)).toMatchObject({ state: 'confirmed' })
      expect(unitsOf(book.product)).toEqual({ confirmed: 1 })
      expect(paymentStates(made)).toEqual(['confirmed'])
    },
  )

  test('that is down leaves the order pending, and what is stuck is named', async () => {
    hooks.fetch = async (name, answer) =>
      name === 'payments' ? Response.json({}, { status: 503 }) : answer()
    const made = await placed([offer()])
    const sweeps: unknown[] = []
    for (let round = 0; round < 3; round += 1) {
      await letTimePass(made.raw)
      sweeps.push((await sweep())['stuck'])
    }
    delete hooks.fetch

    expect(await shown(made)).toMatchObject({ state: 'pending', payment: 'unavailable' })
    expect(sweeps.at(-1)).toContain(made.id)
    await untilEnded(made.raw)
    expect(await shown(made)).toMatchObject({ state: 'confirmed' })
  })

  test('is not asked at all when the time is over before it began', async () => {
    const book = offer()

    const made = await placed([book], { from: startService({ deadlineMs: 1 }) })
    await quiet()

    expect(await shown(made)).toMatchObject({ state: 'rejected', missing: [], payment: null })
    expect(unitsOf(book.product)['tried']).toBeUndefined()
  })

  test('whose answer comes after the order was given up has its try taken back', async () => {
    const book = offer()
    const late: (() => Promise<Response>)[] = []
    hooks.fetch = async (name, answer) => {
      if (name !== 'payments') return answer()
      late.push(answer)
      throw new TypeError('Network connection lost.')
    }
    const made = await placed([book])
    delete hooks.fetch
    await letDeadlinePass(made.raw)
    await untilEnded(made.raw)

    for (const answer of late) expect((await answer()).status).toBe(200)

    expect(late.length).toBeGreaterThan(0)
    expect(await shown(made)).toMatchObject({ state: 'rejected' })
    expect(paymentStates(made)).toEqual(['void'])
  })
})

describe('GET /v1/orders/{order}/timeline', () => {
  test('says what was done, of what, in order of time', async () => {
    const book = offer()
    const made = await placed([book])
    await quiet()
    const path = `/v1/orders/${made.id}/timeline`

    const { response, body } = await ask('GET', path, { headers: made.buyer.headers })

    expect(response.status).toBe(200)
    expect(body).toMatchObject({ order: made.id, state: 'confirmed' })
    const entries = body['entries'] as readonly Record<string, unknown>[]
    const lines = entries.map(({ step, action }) => `${String(step)} ${String(action)}`)
    expect(lines.slice(0, 1)).toEqual(['order placed'])
    expect(lines.slice(1, 3).toSorted()).toEqual(['payment try', 'stock try'])
    expect(lines.slice(3, 4)).toEqual(['order confirmed'])
    expect(lines.slice(4, 6).toSorted()).toEqual(['payment confirm', 'stock confirm'])
    expect(lines.slice(6)).toEqual(['order ended'])
    const asked = entries.find(({ step }) => step === 'stock')
    const product = typedId('prd', book.product)
    expect(asked).toMatchObject({ product, outcome: 'done', attempts: 1 })
  })

  test('is the buyer’s alone', async () => {
    const made = await placed([offer()])
    const path = `/v1/orders/${made.id}/timeline`

    expect((await ask('GET', path, member())).body['code']).toBe('order_not_found')
    expect((await ask('GET', path)).response.status).toBe(401)
  })
})

test('deliveries are refused without the signature of the queue', async () => {
  const { response, body } = await ask('POST', '/_inbox/orders', { body: { events: [] } })

  expect([response.status, body['code']]).toEqual([401, 'bad_signature'])
})
