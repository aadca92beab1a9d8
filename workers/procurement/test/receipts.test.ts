import { describe, expect, test } from 'vitest'

import { get, newId, newOrder, post, roundTrips, select, spoil } from './harness.ts'

type Line = { readonly product: string | undefined; readonly received: number }

function receive(order: string, lines: readonly Line[], headers: Record<string, string> = {}) {
  return post(`/v1/purchase-orders/${order}/receipts`, { lines }, { headers })
}

function receiptsOf(order: string) {
  const sql = 'SELECT lines, version FROM receipt WHERE purchase_order = ?'
  return select(order, sql, [order.slice(4)])
}

/** What the warehouse is told of an order: the order numbers, and the lines. */
async function toldOf(order: string) {
  const sql = 'SELECT seq, payload FROM outbox WHERE okey = ? ORDER BY seq LIMIT 100'
  const rows = await select(order, sql, [order.slice(4)])
  return rows.map(([seq, payload]) => ({
    seq,
    data: JSON.parse(String(payload)) as Record<string, unknown>,
  }))
}

async function receivedOf(order: string): Promise<readonly number[]> {
  const { body } = await get(`/v1/purchase-orders/${order}`)
  return (body['lines'] as { received: number }[]).map(({ received }) => received)
}

describe('POST /v1/purchase-orders/{purchaseOrder}/receipts', () => {
  test('records part after part until all is received, and tells of each', async () => {
    const { id, products } = await newOrder(3, 2)
    const [one, other] = products

    const first = await receive(id, [{ product: one, received: 2 }])
    const second = await receive(id, [
      { product: one, received: 1 },
      { product: other, received: 2 },
    ])

    expect(first.status).toBe(201)
    expect(first.body).toMatchObject({ purchaseOrder: { id, state: 'partially_received' } })
    expect(second.body).toMatchObject({ purchaseOrder: { id, state: 'received' } })
    expect((await get(`/v1/purchase-orders/${id}`)).body).toEqual(second.body['purchaseOrder'])
    const told = await toldOf(id)
    expect(told).toEqual([
      {
        seq: 1,
        data: {
          purchaseOrder: id.slice(4),
          receipt: String(first.body['id']).slice(4),
          lines: [{ product: one?.slice(4), received: 2 }],
        },
      },
      {
        seq: 2,
        data: {
          purchaseOrder: id.slice(4),
          receipt: String(second.body['id']).slice(4),
          lines: [
            { product: one?.slice(4), received: 1 },
            { product: other?.slice(4), received: 2 },
          ],
        },
      },
    ])
  })

  test('answers a repeat with the same receipt, also of the whole order, and records one', async () => {
    const { id, products } = await newOrder(3)
    const lines = [{ product: products[0], received: 3 }]
    const headers = { 'idempotency-key': crypto.randomUUID() }

    const first = await receive(id, lines, headers)
    const second = await receive(id, lines, headers)

    expect(second.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(await receiptsOf(id)).toHaveLength(1)
    expect(await receivedOf(id)).toEqual([3])
  })

  test('answers a repeat of a part with the same receipt, and records one', async () => {
    const { id, products } = await newOrder(3)
    const lines = [{ product: products[0], received: 1 }]
    const headers = { 'idempotency-key': crypto.randomUUID() }

    const first = await receive(id, lines, headers)
    await receive(id, lines)
    const third = await receive(id, lines, headers)

    expect(third.body).toEqual(first.body)
    expect(third.headers.get('idempotency-replayed')).toBe('true')
    expect(await receivedOf(id)).toEqual([2])
  })

  test.each([1, 2])(
    'records one when %i replies of the database are lost and the client tries again',
    async (times) => {
      const { id, products } = await newOrder(3)
      const lines = [{ product: products[0], received: 3 }]
      const [key, requestId] = [crypto.randomUUID(), crypto.randomUUID()]
      const match = { requestId, contains: 'UPDATE purchase_order SET' }
      await spoil({ action: 'drop-reply', match, times })

      const first = await receive(id, lines, { 'idempotency-key': key, 'x-request-id': requestId })
      const again = await receive(id, lines, { 'idempotency-key': key })

      expect(first.status).toBe(times === 1 ? 201 : 503)
      expect(again.status).toBe(201)
      expect(again.headers.get('idempotency-replayed')).toBe('true')
      expect(await receiptsOf(id)).toHaveLength(1)
      expect(await toldOf(id)).toHaveLength(1)
      expect(await receivedOf(id)).toEqual([3])
    },
  )

  test('records one of ten repeats that come at once', async () => {
    const { id, products } = await newOrder(3)
    const lines = [{ product: products[0], received: 3 }]
    const headers = { 'idempotency-key': crypto.randomUUID() }

    const answers = await Promise.all(Array.from({ length: 10 }, () => receive(id, lines, headers)))

    const taken = answers.filter(({ status }) => status === 201)
    expect(new Set(taken.map(({ body }) => body['id'])).size).toBe(1)
    expect(answers.filter(({ status }) => status === 409)).toEqual([])
    expect(await receiptsOf(id)).toHaveLength(1)
    expect(await receivedOf(id)).toEqual([3])
  })

  test('takes one of two that together exceed what was ordered, and refuses the other', async () => {
    const { id, products } = await newOrder(5)
    const lines = [{ product: products[0], received: 3 }]

    const answers = await Promise.all([receive(id, lines), receive(id, lines)])

    const [taken, refused] = answers.toSorted((a, b) => a.status - b.status)
    expect(taken?.status).toBe(201)
    expect([refused?.status, refused?.body['code']]).toEqual([409, 'over_receipt'])
    expect(await receivedOf(id)).toEqual([3])
    expect(await receiptsOf(id)).toHaveLength(1)
    expect(await toldOf(id)).toHaveLength(1)
  })

  test('takes two that come at once and together do not exceed it', async () => {
    const { id, products } = await newOrder(6)
    const lines = [{ product: products[0], received: 3 }]

    const answers = await Promise.all([receive(id, lines), receive(id, lines)])

    expect(answers.map(({ status }) => status)).toEqual([201, 201])
    expect(await receivedOf(id)).toEqual([6])
    expect((await toldOf(id)).map(({ seq }) => seq)).toEqual([1, 2])
  })

  test('refuses more than was ordered, all lines or none', async () => {
    const { id, products } = await newOrder(3, 2)

    const { status, body } = await receive(id, [
      { product: products[0], received: 1 },
      { product: products[1], received: 3 },
    ])

    expect([status, body['code']]).toEqual([409, 'over_receipt'])
    expect(await receivedOf(id)).toEqual([0, 0])
    expect(await toldOf(id)).toEqual([])
  })

  test('refuses a product that was not ordered', async () => {
    const { id } = await newOrder(3)

    const { status, body } = await receive(id, [{ product: newId('prd'), received: 1 }])

    expect([status, body['code']]).toEqual([409, 'not_ordered'])
    expect(await toldOf(id)).toEqual([])
  })

  test('refuses a product that is in two lines', async () => {
    const { id, products } = await newOrder(3)
    const line = { product: products[0], received: 1 }

    const { status, body } = await receive(id, [line, line])

    expect([status, body['code']]).toEqual([400, 'duplicate_line'])
  })

  test('refuses an order that is not there', async () => {
    const { status, body } = await receive(newId('pur'), [{ product: newId('prd'), received: 1 }])

    expect([status, body['code']]).toEqual([404, 'purchase_order_not_found'])
  })

  test('refuses the same key for another receipt with 422', async () => {
    const { id, products } = await newOrder(3)
    const headers = { 'idempotency-key': crypto.randomUUID() }
    await receive(id, [{ product: products[0], received: 1 }], headers)

    const { status, body } = await receive(id, [{ product: products[0], received: 2 }], headers)

    const beyond = await receive(id, [{ product: products[0], received: 3 }], headers)

    expect([status, body['code']]).toEqual([422, 'idempotency_key_reused'])
    expect([beyond.status, beyond.body['code']]).toEqual([422, 'idempotency_key_reused'])
    expect(await receivedOf(id)).toEqual([1])
  })

  test('costs one read and one write', async () => {
    const { id, products } = await newOrder(3)
    const requestId = crypto.randomUUID()

    await receive(id, [{ product: products[0], received: 1 }], { 'x-request-id': requestId })

    expect(await roundTrips(requestId)).toBe(2)
  })
})
