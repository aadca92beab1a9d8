import { describe, expect, test } from 'vitest'

import {
  get,
  newId,
  newOrder,
  newSupplier,
  post,
  roundTrips,
  select,
  selectAll,
  spoil,
} from './harness.ts'

async function submission(change: object = {}) {
  const lines = [{ product: newId('prd'), ordered: 3, costMinor: 250 }]
  return { supplier: await newSupplier(), currency: 'EUR', lines, ...change }
}

function ordersOf(supplier: string) {
  return selectAll('SELECT id FROM purchase_order WHERE supplier = ?', [supplier.slice(4)])
}

describe('POST /v1/purchase-orders', () => {
  test('submits an order with its lines as they were given, which is then found', async () => {
    const supplier = await newSupplier()
    const lines = [9, 1, 5].map((ordered) => ({ product: newId('prd'), ordered, costMinor: 250 }))

    const { status, body } = await post('/v1/purchase-orders', { supplier, currency: 'EUR', lines })

    expect(status).toBe(201)
    expect(body).toMatchObject({
      supplier,
      state: 'submitted',
      currency: 'EUR',
      totalMinor: 15 * 250,
      lines: lines.map((line) => ({ ...line, received: 0 })),
    })
    expect((await get(`/v1/purchase-orders/${String(body['id'])}`)).body).toEqual(body)
  })

  test('answers a repeat with the same order, and makes one', async () => {
    const wished = await submission()
    const headers = { 'idempotency-key': crypto.randomUUID() }

    const first = await post('/v1/purchase-orders', wished, { headers })
    const second = await post('/v1/purchase-orders', wished, { headers })

    expect(second.body).toEqual(first.body)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(await ordersOf(wished.supplier)).toHaveLength(1)
  })

  test('makes one when every reply of the database is lost and the client tries again', async () => {
    const wished = await submission()
    const [key, requestId] = [crypto.randomUUID(), crypto.randomUUID()]
    const match = { requestId, contains: 'INSERT INTO purchase_order' }
    await spoil({ action: 'drop-reply', match, times: 2 })

    const lost = await post('/v1/purchase-orders', wished, {
      headers: { 'idempotency-key': key, 'x-request-id': requestId },
    })
    const again = await post('/v1/purchase-orders', wished, { headers: { 'idempotency-key': key } })

    expect(lost.status).toBe(503)
    expect(again.status).toBe(201)
    expect(await ordersOf(wished.supplier)).toHaveLength(1)
  })

  test('refuses a supplier that is not there with 404, and writes nothing', async () => {
    const supplier = newId('sup')

    const { status, body } = await post('/v1/purchase-orders', await submission({ supplier }))

    expect([status, body['code']]).toEqual([404, 'supplier_not_found'])
    expect(await ordersOf(supplier)).toEqual([])
  })

  test('takes the same key again after a refusal', async () => {
    const headers = { 'idempotency-key': crypto.randomUUID() }
    const wished = await submission()
    const product = wished.lines[0]?.product
    const twice = [1, 2].map((ordered) => ({ product, ordered, costMinor: 1 }))

    const refused = await post('/v1/purchase-orders', { ...wished, lines: twice }, { headers })
    const taken = await post('/v1/purchase-orders', wished, { headers })

    expect([refused.status, refused.body['code']]).toEqual([400, 'duplicate_line'])
    expect(taken.status).toBe(201)
    expect(await ordersOf(wished.supplier)).toHaveLength(1)
  })

  test.each([
    ['no lines', { lines: [] }, 'invalid_request'],
    ['a currency that is none', { currency: 'euro' }, 'invalid_request'],
    ['an id of another type', { supplier: newId('usr') }, 'invalid_request'],
    [
      'half a unit',
      { lines: [{ product: newId('prd'), ordered: 0.5, costMinor: 1 }] },
      'invalid_request',
    ],
    [
      'a total beyond what can be said exactly',
      { lines: [{ product: newId('prd'), ordered: 1_000_000, costMinor: 1_000_001 }] },
      'total_too_large',
    ],
  ])('refuses %s with 400', async (_what, change, code) => {
    const { status, body } = await post('/v1/purchase-orders', await submission(change))

    expect([status, body['code']]).toEqual([400, code])
  })

  test('takes the 100 lines that a request may have, and gives them back', async () => {
    const lines = Array.from({ length: 100 }, () => ({
      product: newId('prd'),
      ordered: 1,
      costMinor: 1,
    }))

    const { body } = await post('/v1/purchase-orders', await submission({ lines }))

    const read = await get(`/v1/purchase-orders/${String(body['id'])}`)
    expect(read.body['lines']).toEqual(lines.map((line) => ({ ...line, received: 0 })))
  })

  test('costs one round trip, and so does reading the order', async () => {
    const wished = await submission()
    const [write, read] = [crypto.randomUUID(), crypto.randomUUID()]

    const { body } = await post('/v1/purchase-orders', wished, {
      headers: { 'x-request-id': write },
    })
    const path = `/v1/purchase-orders/${String(body['id'])}`
    await get(path, { headers: { 'x-request-id': read } })

    expect(await roundTrips(write)).toBe(1)
    expect(await roundTrips(read)).toBe(1)
  })
})

describe('GET /v1/purchase-orders/{purchaseOrder}', () => {
  test('answers 404 for one that never was', async () => {
    const { status, body } = await get(`/v1/purchase-orders/${newId('pur')}`)

    expect([status, body['code']]).toEqual([404, 'purchase_order_not_found'])
  })
})

test('an order lives with its supplier', async () => {
  const { id, supplier } = await newOrder(1)

  expect(id.slice(4, 9)).toBe(supplier.slice(4, 9))
  expect(
    await select(supplier, 'SELECT id FROM purchase_order WHERE id = ?', [id.slice(4)]),
  ).toHaveLength(1)
})
