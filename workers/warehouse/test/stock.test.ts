import { describe, expect, test } from 'vitest'

import {
  brokenRules,
  created,
  deliver,
  deliverOnce,
  getStock,
  goods,
  ids,
  levelOf,
  newId,
  outcomes,
  placed,
  rejected,
  roundTrips,
  spoil,
  stateOf,
  told,
} from './harness.ts'

describe('GET /v1/stock/{product}', () => {
  test('answers what is there, what is reserved and what is available', async () => {
    const product = newId()
    await deliver(created(product, 7))
    await deliver(placed(newId(), [{ product, quantity: 3 }]))

    const { status, body } = await getStock(product)

    expect(status).toBe(200)
    expect(body).toEqual({ product: `prd_${product}`, onHand: 7, reserved: 3, available: 4 })
  })

  test('answers 404 for a product without stock', async () => {
    const { status, body } = await getStock(newId())

    expect(status).toBe(404)
    expect(body).toMatchObject({ code: 'stock_not_found' })
  })
})

describe('product.created', () => {
  test('opens the stock once, also when it is told under another id', async () => {
    const product = newId()

    await deliver(created(product, 7))
    await deliver(created(product, 7))

    expect(await levelOf(product)).toEqual({ onHand: 7, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('opens a stock of nothing', async () => {
    const product = newId()

    await deliver(created(product, 0))

    expect(await levelOf(product)).toEqual({ onHand: 0, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })
})

describe('order.placed', () => {
  test('reserves what is there and refuses what is not, line by line', async () => {
    const [plenty, scarce, order] = [newId(), newId(), newId()]
    await deliver(created(plenty, 10), created(scarce, 1))

    await deliver(
      placed(order, [
        { product: plenty, quantity: 2 },
        { product: scarce, quantity: 2 },
      ]),
    )

    expect(await outcomes(plenty, order)).toEqual(['stock.reserved'])
    expect(await outcomes(scarce, order)).toEqual(['stock.refused'])
    expect(await levelOf(plenty)).toEqual({ onHand: 10, reserved: 2 })
    expect(await levelOf(scarce)).toEqual({ onHand: 1, reserved: 0 })
  })

  test('adds up lines of one product and answers once', async () => {
    const [product, order] = [newId(), newId()]
    await deliver(created(product, 5))

    await deliver(
      placed(order, [
        { product, quantity: 3 },
        { product, quantity: 3 },
      ]),
    )

    expect(await outcomes(product, order)).toEqual(['stock.refused'])
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
  })

  test('refuses a product that nobody knows', async () => {
    const [product, order] = [newId(), newId()]

    await deliver(placed(order, [{ product, quantity: 1 }]))

    expect(await outcomes(product, order)).toEqual(['stock.refused'])
    expect(await levelOf(product)).toBeUndefined()
  })

  test('tells two products of one seller apart, which share their place', async () => {
    const [product, order] = [newId(), newId()]
    const sister = ids.child(product)
    await deliver(created(product, 1), created(sister, 1))

    await deliver(
      placed(order, [
        { product, quantity: 1 },
        { product: sister, quantity: 1 },
      ]),
    )

    expect(await outcomes(product, order)).toEqual(['stock.reserved'])
    expect(await outcomes(sister, order)).toEqual(['stock.reserved'])
  })

  test('keeps its first decision when the order is told under another id after goods came', async () => {
    const [product, order] = [newId(), newId()]
    const lines = [{ product, quantity: 4 }]
    await deliver(placed(order, lines))
    await deliver(goods(newId(), [{ product, received: 10 }]))

    await deliver(placed(order, lines))

    expect(await stateOf(product, order)).toBe('refused')
    expect(await outcomes(product, order)).toEqual(['stock.refused'])
    expect(await levelOf(product)).toEqual({ onHand: 10, reserved: 0 })
  })

  test('lets orders of one delivery see each other', async () => {
    const product = newId()
    const orders = [newId(), newId(), newId()]
    await deliver(created(product, 2))

    await deliver(...orders.map((order) => placed(order, [{ product, quantity: 1 }])))

    const each = await Promise.all(orders.map((order) => outcomes(product, order)))
    expect(each).toEqual([['stock.reserved'], ['stock.reserved'], ['stock.refused']])
    expect(await brokenRules(product)).toEqual([])
  })

  test('reserves a stock of 5 for exactly 5 of 24 orders that come at once, each twice', async () => {
    const product = newId()
    await deliver(created(product, 5))
    const orders = Array.from({ length: 24 }, () => newId())
    const events = orders.map((order) => placed(order, [{ product, quantity: 1 }]))

    await Promise.all([...events, ...events].map((event) => deliver(event)))

    const all = (await Promise.all(orders.map((order) => outcomes(product, order)))).flat()
    expect(all.filter((type) => type === 'stock.reserved')).toHaveLength(5)
    expect(all.filter((type) => type === 'stock.refused')).toHaveLength(19)
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 5 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('reserves once when the reply of the database is lost after the commit', async () => {
    const [product, order] = [newId(), newId()]
    await deliver(created(product, 5))
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', match: { requestId } })

    const event = placed(order, [{ product, quantity: 2 }])
    const response = await deliverOnce([event], { 'x-request-id': requestId })

    expect(response.status).toBe(200)
    // The batch whose reply was lost, the same once more, and the look that finds it done.
    expect(await roundTrips(requestId)).toBeGreaterThanOrEqual(3)
    expect(await outcomes(product, order)).toEqual(['stock.reserved'])
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 2 })
    expect(await brokenRules(product)).toEqual([])
  })
})

describe('order.rejected', () => {
  test('frees what was reserved, once, however often it comes', async () => {
    const [product, order] = [newId(), newId()]
    const lines = [{ product, quantity: 2 }]
    await deliver(created(product, 5), placed(order, lines))
    const first = rejected(order, lines)

    await deliver(first)
    await deliver(first, rejected(order, lines))

    expect(await stateOf(product, order)).toBe('released')
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('frees what the reservation holds, whatever quantity it says', async () => {
    const [product, order] = [newId(), newId()]
    await deliver(created(product, 5), placed(order, [{ product, quantity: 2 }]))

    await deliver(rejected(order, [{ product, quantity: 4 }]))

    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('before the order makes the order reserve nothing and say nothing', async () => {
    const [product, order] = [newId(), newId()]
    const lines = [{ product, quantity: 2 }]
    await deliver(created(product, 5))

    await deliver(rejected(order, lines))
    await deliver(placed(order, lines))

    expect(await stateOf(product, order)).toBe('released')
    expect(await outcomes(product, order)).toEqual([])
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
  })

  test('leaves a refused line refused', async () => {
    const [product, order] = [newId(), newId()]
    const lines = [{ product, quantity: 6 }]
    await deliver(created(product, 5), placed(order, lines))

    await deliver(rejected(order, lines))

    expect(await stateOf(product, order)).toBe('refused')
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
  })
})

describe('goods.received', () => {
  test('raises the stock once for a receipt, also under another event id', async () => {
    const [product, receipt] = [newId(), newId()]
    await deliver(created(product, 1))

    await deliver(goods(receipt, [{ product, received: 4 }]))
    await deliver(goods(receipt, [{ product, received: 4 }]))

    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('makes the stock of a product that is not known yet, whose opening then adds to it', async () => {
    const product = newId()

    await deliver(goods(newId(), [{ product, received: 4 }]))
    await deliver(created(product, 3))

    expect(await levelOf(product)).toEqual({ onHand: 7, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })
})

describe('POST /_inbox/warehouse', () => {
  test('refuses a delivery that the queue did not sign', async () => {
    const product = newId()

    const response = await deliverOnce([created(product, 3)], { 'upstash-signature': 'forged' })

    expect(response.status).toBe(401)
    expect(await levelOf(product)).toBeUndefined()
  })

  test('takes an event that is for others and does nothing', async () => {
    const response = await deliverOnce([told('delivery.due', { delivery: newId() })])

    expect(response.status).toBe(200)
  })

  test('applies what it can read and hands the rest to the dead letters', async () => {
    const product = newId()

    const response = await deliverOnce([created(product, 3), { id: 'nonsense' }])

    expect(response.status).toBe(489)
    expect(await levelOf(product)).toEqual({ onHand: 3, reserved: 0 })
  })

  test('takes a whole delivery of 100 orders in a few round trips', async () => {
    const product = newId()
    await deliver(created(product, 60))
    const requestId = crypto.randomUUID()
    const events = Array.from({ length: 100 }, () => placed(newId(), [{ product, quantity: 1 }]))

    const response = await deliverOnce(events, { 'x-request-id': requestId })

    expect(response.status).toBe(200)
    expect(await levelOf(product)).toEqual({ onHand: 60, reserved: 60 })
    // One for the topology when the isolate is cold, one for the batch.
    expect(await roundTrips(requestId)).toBeLessThanOrEqual(2)
    expect(await brokenRules(product)).toEqual([])
  })
})
