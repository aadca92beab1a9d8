import { describe, expect, test } from 'vitest'

import {
  askOnce,
  brokenRules,
  created,
  deliver,
  deliverOnce,
  getStock,
  giveBack,
  goods,
  ids,
  keep,
  levelOf,
  newId,
  openTries,
  reserve,
  roundTrips,
  spoil,
  stateOf,
  told,
} from './harness.ts'

describe('GET /v1/stock/{product}', () => {
  test('answers what is there, what is reserved and what is available', async () => {
    const product = newId()
    await deliver(created(product, 7))
    await reserve(newId(), { product, quantity: 3 })

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

describe('a try', () => {
  test('reserves what is there and refuses what is not', async () => {
    const [plenty, scarce, order] = [newId(), newId(), newId()]
    await deliver(created(plenty, 10), created(scarce, 1))

    expect(await reserve(order, { product: plenty, quantity: 2 })).toBe('done')
    expect(await reserve(order, { product: scarce, quantity: 2 })).toBe('out_of_stock')
    expect(await levelOf(plenty)).toEqual({ onHand: 10, reserved: 2 })
    expect(await levelOf(scarce)).toEqual({ onHand: 1, reserved: 0 })
  })

  test('refuses a product that nobody knows', async () => {
    const product = newId()

    expect(await reserve(newId(), { product, quantity: 1 })).toBe('out_of_stock')
    expect(await levelOf(product)).toBeUndefined()
  })

  test('tells two products of one seller apart, which share their place', async () => {
    const [product, order] = [newId(), newId()]
    const sister = ids.child(product)
    await deliver(created(product, 1), created(sister, 1))

    expect(await reserve(order, { product, quantity: 1 })).toBe('done')
    expect(await reserve(order, { product: sister, quantity: 1 })).toBe('done')
  })

  test('keeps its first decision when it is asked again after goods came', async () => {
    const [product, order] = [newId(), newId()]
    const line = { product, quantity: 4 }
    await reserve(order, line)
    await deliver(goods(newId(), [{ product, received: 10 }]))

    expect(await reserve(order, line)).toBe('out_of_stock')
    expect(await stateOf(product, order)).toBe('refused')
    expect(await levelOf(product)).toEqual({ onHand: 10, reserved: 0 })
  })

  test('reserves a stock of 5 for exactly 5 of 24 orders that come at once, each twice', async () => {
    const product = newId()
    await deliver(created(product, 5))
    const orders = Array.from({ length: 24 }, () => newId())

    const answers = await Promise.all(
      [...orders, ...orders].map((order) => reserve(order, { product, quantity: 1 })),
    )

    expect(answers.filter((answer) => answer === 'done')).toHaveLength(10)
    expect(answers.slice(0, 24)).toEqual(answers.slice(24))
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 5 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('reserves once when the reply of the database is lost after the commit', async () => {
    const [product, order] = [newId(), newId()]
    await deliver(created(product, 5))
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', match: { requestId } })

    const { body } = await askOnce('try', order, { product, quantity: 2, requestId })

    expect(body).toEqual({ outcome: 'done' })
    // The batch whose reply was lost, and the one that finds it done.
    expect(await roundTrips(requestId)).toBeGreaterThanOrEqual(2)
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 2 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('costs one round trip, as does every other operation', async () => {
    const [product, order] = [newId(), newId()]
    await deliver(created(product, 5))
    await askOnce('try', newId(), { product, quantity: 1 })
    const line = { product, quantity: 2 }

    for (const op of ['try', 'confirm', 'confirm'] as const) {
      const requestId = crypto.randomUUID()
      await askOnce(op, order, { ...line, requestId })
      expect(await roundTrips(requestId)).toBe(1)
    }
  })

  test('is refused for what is no branch, and nothing is written', async () => {
    const product = newId()
    await deliver(created(product, 5))

    for (const quantity of [0, -1, 1.5, 1_000]) {
      const { status } = await askOnce('try', newId(), { product, quantity })
      expect(status).toBe(400)
    }
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
  })
})

describe('a cancel', () => {
  test('frees what was reserved, once, however often it comes', async () => {
    const [product, order] = [newId(), newId()]
    const line = { product, quantity: 2 }
    await deliver(created(product, 5))
    await reserve(order, line)

    const answers = [await giveBack(order, line), await giveBack(order, line)]

    expect(answers).toEqual(['done', 'done'])
    expect(await stateOf(product, order)).toBe('released')
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('frees what the reservation holds, whatever quantity it says', async () => {
    const [product, order] = [newId(), newId()]
    await deliver(created(product, 5))
    await reserve(order, { product, quantity: 2 })

    await giveBack(order, { product, quantity: 4 })

    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('before its try makes the try reserve nothing', async () => {
    const [product, order] = [newId(), newId()]
    const line = { product, quantity: 2 }
    await deliver(created(product, 5))

    expect(await giveBack(order, line)).toBe('done')
    expect(await reserve(order, line)).toBe('hanging')
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
  })

  test('leaves a refused wish refused', async () => {
    const [product, order] = [newId(), newId()]
    const line = { product, quantity: 6 }
    await deliver(created(product, 5))
    await reserve(order, line)

    expect(await giveBack(order, line)).toBe('done')
    expect(await stateOf(product, order)).toBe('refused')
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 0 })
  })
})

describe('a confirm', () => {
  test('keeps what was reserved, and no cancel takes it back', async () => {
    const [product, order] = [newId(), newId()]
    const line = { product, quantity: 2 }
    await deliver(created(product, 5))
    await reserve(order, line)

    expect([await keep(order, line), await keep(order, line)]).toEqual(['done', 'done'])
    const { status, body } = await askOnce('cancel', order, line)

    expect([status, body.code]).toEqual([409, 'branch_out_of_order'])
    expect(await levelOf(product)).toEqual({ onHand: 5, reserved: 2 })
    expect(await openTries(product)).toBe(0)
    expect(await brokenRules(product)).toEqual([])
  })

  test('without its try is refused', async () => {
    const product = newId()
    await deliver(created(product, 5))

    const { status, body } = await askOnce('confirm', newId(), { product, quantity: 1 })

    expect([status, body.code]).toEqual([409, 'branch_out_of_order'])
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

  test('takes a whole delivery of 100 receipts in a few round trips', async () => {
    const product = newId()
    await deliver(created(product, 60))
    const requestId = crypto.randomUUID()
    const events = Array.from({ length: 100 }, () => goods(newId(), [{ product, received: 1 }]))

    const response = await deliverOnce(events, { 'x-request-id': requestId })

    expect(response.status).toBe(200)
    expect(await levelOf(product)).toEqual({ onHand: 160, reserved: 0 })
    // One for the topology when the isolate is cold, one for the batch.
    expect(await roundTrips(requestId)).toBeLessThanOrEqual(2)
    expect(await brokenRules(product)).toEqual([])
  })
})
