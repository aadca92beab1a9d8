import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { heal } from './heal.ts'
import {
  type Api,
  apiOf,
  bearer,
  call,
  keyed,
  newCart,
  newCategory,
  newPerson,
  newProduct,
  payment,
  type Person,
} from './people.ts'
import { everywhere } from './shards.ts'

const stock = 9
const buyers = 14

let system: System
let api: Api
let seller: Person
let buyer: Person
let product: string
let carts: string[]

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2, supervised: true })
  api = apiOf(system.url)
  seller = await newPerson(api)
  buyer = await newPerson(api)
  product = (await newProduct(api, seller, { category: await newCategory(api), stock })).id
  await vi.waitFor(() => api.warehouse.getStock({ params: { product } }, call()), {
    timeout: 60_000,
    interval: 100,
  })
  carts = []
  for (let n = 0; n < buyers; n += 1)
    carts.push(await newCart(api, buyer, [{ product, quantity: 1 }]))
}, 120_000)

afterAll(() => system.close())

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

/** Kills one thing after another until told to stop: a database server, the queue, all Workers at once. */
async function killAtRandom(stop: AbortSignal): Promise<number> {
  const kills: readonly (() => Promise<void>)[] = [
    async () => system.kill('libsql'),
    () => system.restartWorkers(),
    async () => system.kill('qstash'),
    () => system.restartWorkers(),
  ]
  let count = 0
  while (!stop.aborted) {
    await pause(100 + Math.random() * 300)
    await kills[count % kills.length]?.()
    count += 1
  }
  return count
}

/** Orders with one key until an answer is heard: a caller who does not give up. */
async function orderUntilHeard(cart: string): Promise<string> {
  const key = crypto.randomUUID()
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      const placing = api.orders.placeOrder(
        { headers: keyed(buyer.token, key), body: { cart, payment } },
        call(),
      )
      return (await placing).id
    } catch {
      await pause(100)
    }
  }
  throw new Error('the order was never answered')
}

test('stock and orders are right in the end though databases, queue and Workers are killed all the time', async () => {
  const stop = new AbortController()
  const killing = killAtRandom(stop.signal)

  const orders: string[] = []
  for (const cart of carts) {
    orders.push(await orderUntilHeard(cart))
    await pause(150)
  }
  stop.abort()
  const kills = await killing
  await heal(system)

  const states = await Promise.all(
    orders.map(async (order) => {
      const found = await api.orders.getOrder(
        { headers: bearer(buyer.token), params: { order } },
        call(),
      )
      return found.state
    }),
  )
  expect(kills).toBeGreaterThan(3)
  expect(new Set(orders).size).toBe(buyers)
  expect(states.filter((state) => state === 'confirmed')).toHaveLength(stock)
  expect(states.filter((state) => state === 'rejected')).toHaveLength(buyers - stock)
  expect(await api.warehouse.getStock({ params: { product } }, call())).toMatchObject({
    onHand: stock,
    reserved: stock,
    available: 0,
  })
  expect(await everywhere(system, 'orders', { sql: 'SELECT id FROM order_head' })).toHaveLength(
    buyers,
  )
  const sold = await api.stats.getStats({ params: { kind: 'product', subject: product } }, call())
  expect(sold.counts['sold']).toBe(stock)
}, 240_000)
