import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { heal } from './heal.ts'
import {
  type Api,
  apiOf,
  bearer,
  call,
  control,
  keyed,
  newCart,
  newCategory,
  newPerson,
  newProduct,
  payment,
  type Person,
  staff,
} from './people.ts'
import { everywhere } from './shards.ts'

const eventually = { timeout: 60_000, interval: 200 }
const stock = 20

let system: System
let api: Api
let buyer: Person
let product: string

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2, supervised: true })
  api = apiOf(system.url)
  const seller = await newPerson(api)
  buyer = await newPerson(api)
  product = (await newProduct(api, seller, { category: await newCategory(api), stock })).id
  await vi.waitFor(reserved, eventually)
})

afterAll(() => system.close())

async function reserved(): Promise<number> {
  return (await api.warehouse.getStock({ params: { product } }, call())).reserved
}

/** A confirmed order whose participants have all heard of it. */
async function confirmed(quantity = 2): Promise<string> {
  const cart = await newCart(api, buyer, [{ product, quantity }])
  const body = { cart, payment }
  const { id, state } = await api.orders.placeOrder({ headers: keyed(buyer.token), body }, call())
  expect(state).toBe('confirmed')
  await expect
    .poll(async () => (await historyOf(id)).includes('order ended'), eventually)
    .toBe(true)
  return id
}

function mine(order: string) {
  return { headers: bearer(buyer.token), params: { order } }
}

async function historyOf(order: string): Promise<readonly string[]> {
  const { entries } = await api.orders.orderTimeline(mine(order), call())
  return entries.map(({ step, action }) => `${step} ${action}`)
}

async function paymentOf(order: string) {
  const { items } = await api.payments.listOrderPayments(mine(order), call())
  const [only] = items
  if (only === undefined || items.length !== 1) throw new Error('there is not one payment')
  return only
}

function capture(id: string, amountMinor: number) {
  const request = { params: { payment: id }, body: { amountMinor } }
  return api.payments.capturePayment({ headers: keyed(staff.operator), ...request }, call())
}

function cancel(order: string, key: string = crypto.randomUUID()) {
  const request = { params: { order }, body: {} }
  return api.orders.cancelOrder({ headers: keyed(buyer.token, key), ...request }, call())
}

describe('a confirmed order', () => {
  test('is cancelled: its units are free, what was taken is refunded, the rest voided, and the order tells of it', async () => {
    const before = await reserved()
    const order = await confirmed()
    const { id } = await paymentOf(order)
    await capture(id, 1_500)
    await capture(id, 500)
    expect(await reserved()).toBe(before + 2)
    await expect
      .poll(async () => (await api.orders.getOrder(mine(order), call())).money, eventually)
      .toMatchObject({ capturedMinor: 2_000, refundedMinor: 0 })
    const key = crypto.randomUUID()

    const answer = await cancel(order, key)

    expect(answer).toMatchObject({ state: 'cancelled', cancellation: { by: 'buyer' } })
    expect(await cancel(order, key)).toEqual(answer)
    await expect.poll(reserved, eventually).toBe(before)
    await expect
      .poll(() => paymentOf(order), eventually)
      .toMatchObject({ state: 'refunded', refundedMinor: 2_000, voidedMinor: 3_000 })
    await expect
      .poll(async () => (await api.orders.getOrder(mine(order), call())).money, eventually)
      .toEqual({ capturedMinor: 2_000, voidedMinor: 3_000, refundedMinor: 2_000, disputedMinor: 0 })
    expect(await historyOf(order)).toEqual(
      expect.arrayContaining(['order cancelled', 'refund confirm', 'restock confirm']),
    )
    await expect(capture(id, 1)).rejects.toMatchObject({ status: 409 })
  })

  test('is cancelled by an operator, and only once', async () => {
    const before = await reserved()
    const order = await confirmed()
    const params = { order }

    const answer = await api.orders.cancelOrderForBuyer(
      { headers: keyed(staff.operator), params, body: {} },
      call(),
    )

    expect(answer).toMatchObject({ state: 'cancelled', cancellation: { by: 'operator' } })
    await expect(cancel(order)).rejects.toMatchObject({ code: 'order_not_cancellable' })
    await expect.poll(reserved, eventually).toBe(before)
    await expect.poll(() => paymentOf(order), eventually).toMatchObject({ state: 'voided' })
  })

  test('gives its units back where they lie, when its product is spread', async () => {
    await api.warehouse.spreadStock(
      { headers: bearer(staff.operator), params: { product }, body: { cells: 3 } },
      call(),
    )
    const before = await reserved()
    const order = await confirmed(1)

    await cancel(order)

    await expect.poll(reserved, eventually).toBe(before)
  })
})

test('orders that are cancelled while replies are lost and Workers die are cancelled wholly, once', async () => {
  const before = await reserved()
  const orders = [await confirmed(1), await confirmed(1), await confirmed(1), await confirmed(1)]
  const [taken = ''] = orders
  await capture((await paymentOf(taken)).id, 1_000)
  const lost = [
    { action: 'drop-reply', match: { contains: 'order_cancellation' }, times: 4, skip: 1 },
    { action: 'drop-reply', match: { contains: 'payment_operation' }, times: 4, skip: 2 },
    { action: 'drop-reply', match: { contains: 'reservation' }, times: 3, skip: 1 },
  ]
  for (const body of lost) await control(system, 'libsql', { method: 'POST', path: 'faults', body })

  const keys = orders.map(() => crypto.randomUUID())
  const asking = orders.map((order, index) => cancel(order, keys[index]).catch(() => undefined))
  await system.restartWorkers()
  await Promise.all(asking)
  await heal(system)
  for (const [index, order] of orders.entries()) {
    await expect.poll(() => cancel(order, keys[index]).then(({ id }) => id), eventually).toBe(order)
  }
  await heal(system)

  for (const order of orders) {
    await expect
      .poll(() => api.orders.getOrder(mine(order), call()), eventually)
      .toMatchObject({ state: 'cancelled' })
    const { capturedMinor, refundedMinor, voidedMinor, state } = await paymentOf(order)
    expect([refundedMinor, voidedMinor]).toEqual([capturedMinor, 2_500 - capturedMinor])
    expect(['voided', 'refunded']).toContain(state)
  }
  expect(await reserved()).toBe(before)
  const told = await everywhere(system, 'orders', {
    sql: "SELECT okey, count(*) AS n FROM outbox WHERE type = 'order.cancelled' GROUP BY okey",
  })
  expect(new Set(told.map(({ n }) => Number(n)))).toEqual(new Set([1]))
})
