import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { heal } from './heal.ts'
import { type Listener, startListener } from './listener.ts'
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
} from './people.ts'
import { everywhere } from './shards.ts'

let system: System
let api: Api
let listener: Listener
let seller: Person
let buyer: Person
let category: string

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 3 })
  api = apiOf(system.url)
  listener = await startListener()
  seller = await newPerson(api)
  buyer = await newPerson(api)
  category = await newCategory(api)
})

afterAll(async () => {
  await listener.close()
  await system.close()
})

async function addFault(server: 'libsql' | 'qstash', rule: object): Promise<void> {
  await control(system, server, { method: 'POST', path: 'faults', body: rule })
}

test('stock, orders, events and webhooks are right in the end though every delivery comes twice and replies are lost', async () => {
  await api.notifier.createWebhookEndpoint(
    {
      headers: keyed(seller.token),
      body: { url: listener.url, types: ['order.confirmed', 'order.rejected'] },
    },
    call(),
  )
  const product = await newProduct(api, seller, { category, stock: 7 })
  const params = { product: product.id }
  await expect
    .poll(() => api.warehouse.getStock({ params }, call()).catch(() => undefined), {
      timeout: 60_000,
    })
    .toMatchObject({ onHand: 7 })
  const carts: string[] = []
  for (let n = 0; n < 12; n += 1)
    carts.push(await newCart(api, buyer, [{ product: product.id, quantity: 1 }]))

  await addFault('qstash', {
    action: 'drop-reply',
    times: 6,
    skip: 1,
    match: { direction: 'delivery' },
  })
  await addFault('qstash', {
    action: 'drop-request',
    times: 4,
    match: { direction: 'delivery', path: 'orders' },
  })
  await addFault('qstash', { action: 'duplicate', times: null, match: { direction: 'delivery' } })
  await addFault('libsql', {
    action: 'drop-reply',
    times: 8,
    skip: 3,
    match: { contains: 'INSERT INTO inbox' },
  })
  await addFault('libsql', {
    action: 'drop-request',
    times: 3,
    skip: 5,
    match: { contains: 'outbox' },
  })
  const orders: string[] = []
  for (const cart of carts) {
    const key = crypto.randomUUID()
    const place = () =>
      api.orders.placeOrder({ headers: keyed(buyer.token, key), body: { cart, payment } }, call())
    // The caller keeps asking with the same key until it hears an answer.
    let placed: Awaited<ReturnType<typeof place>> | undefined
    for (let tries = 0; placed === undefined && tries < 10; tries += 1) {
      placed = await place().catch(() => undefined)
    }
    orders.push(placed?.id ?? 'none')
  }
  await heal(system)

  const states = await Promise.all(
    orders.map(
      async (order) =>
        (await api.orders.getOrder({ headers: bearer(buyer.token), params: { order } }, call()))
          .state,
    ),
  )
  expect(states.toSorted()).toEqual([
    ...Array.from({ length: 7 }, () => 'confirmed'),
    ...Array.from({ length: 5 }, () => 'rejected'),
  ])
  expect(await api.warehouse.getStock({ params }, call())).toEqual({
    product: product.id,
    onHand: 7,
    reserved: 7,
    available: 0,
  })
  const outcomes = await everywhere(system, 'orders', {
    sql: "SELECT type, count(*) AS n FROM outbox WHERE type IN ('order.confirmed', 'order.rejected') GROUP BY type",
  })
  const totals = new Map<unknown, number>()
  for (const { type, n } of outcomes) totals.set(type, (totals.get(type) ?? 0) + Number(n))
  expect(Object.fromEntries(totals)).toEqual({ 'order.confirmed': 7, 'order.rejected': 5 })
  const told = new Map(
    listener.received.map(({ id, body }) => [
      id,
      (JSON.parse(body) as { data: { order: string } }).data.order,
    ]),
  )
  expect([...told.values()].toSorted()).toEqual(orders.toSorted())
  await expect
    .poll(() => api.stats.getStats({ params: { kind: 'product', subject: product.id } }, call()))
    .toMatchObject({ counts: { sold: 7 } })
}, 240_000)

test('what the fast path never published is published by the sweep', async () => {
  await control(system, 'qstash', { method: 'POST', path: 'faults', body: { action: 'partition' } })
  const reader = await newPerson(api, 'quiet')
  await control(system, 'qstash', { method: 'DELETE', path: 'faults' })
  await heal(system)

  await expect
    .poll(() => api.social.counts({ params: { member: reader.id } }, call()), { timeout: 60_000 })
    .toEqual({ posts: 0, followers: 0, following: 0 })
}, 120_000)

test('an unreachable shard is 503 for its keys and for no others', async () => {
  const members = await Promise.all(Array.from({ length: 8 }, () => newPerson(api, 'shard')))
  const whole = await everywhere(system, 'users', { sql: 'SELECT id FROM member' })
  expect(whole.length).toBeGreaterThan(8)
  await addFault('libsql', { action: 'partition', match: { database: 'users-0' } })

  const answers = await Promise.all(
    members.map(async ({ id }) => {
      const response = await fetch(`${system.url}/v1/users/${id}`)
      return { id, status: response.status, body: (await response.json()) as { code?: string } }
    }),
  )
  await control(system, 'libsql', { method: 'DELETE', path: 'faults' })

  const down = answers.filter(({ status }) => status !== 200)
  expect(
    down.every(({ status, body }) => status === 503 && body.code === 'shard_unavailable'),
  ).toBe(true)
  // Slots below a third are those of the first of three databases; the first character of an id tells.
  const inFirst = members.filter(({ id }) => Number.parseInt(id.slice(4, 5), 16) < 5)
  const inOthers = members.filter(({ id }) => Number.parseInt(id.slice(4, 5), 16) > 5)
  expect(inFirst.every(({ id }) => down.some((each) => each.id === id))).toBe(true)
  expect(inOthers.some(({ id }) => down.some((each) => each.id === id))).toBe(false)
}, 60_000)
