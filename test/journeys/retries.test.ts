import { typedId } from '@stoa/kernel'
import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import {
  type Api,
  apiOf,
  call,
  control,
  keyed,
  newCategory,
  newPerson,
  payment,
  type Person,
  staff,
  unique,
} from './people.ts'
import { everywhere } from './shards.ts'

let system: System
let api: Api
let seller: Person
let category: string

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 4 })
  api = apiOf(system.url)
  seller = await newPerson(api)
  category = await newCategory(api)
})

afterAll(() => system.close())

beforeEach(() => control(system, 'libsql', { method: 'DELETE', path: 'faults' }))

/** The root entities that the API creates: how, and where their rows are. */
const roots = [
  {
    what: 'member',
    prefix: 'usr',
    keyspace: 'users',
    sql: 'SELECT id FROM member WHERE handle = ?',
    create: (name: string, key: string) =>
      api.users.register(
        {
          headers: { 'idempotency-key': key },
          body: { handle: name, email: `${name}@example.com`, password: 'correct horse', name },
        },
        call(),
      ),
  },
  {
    what: 'product',
    prefix: 'prd',
    keyspace: 'catalog',
    sql: 'SELECT id FROM product WHERE sku = ?',
    create: (name: string, key: string) =>
      api.catalog.createProduct(
        {
          headers: keyed(seller.token, key),
          body: { sku: name, title: name, category, priceMinor: 100, currency: 'EUR', stock: 1 },
        },
        call(),
      ),
  },
  {
    what: 'supplier',
    prefix: 'sup',
    keyspace: 'procurement',
    sql: 'SELECT id FROM supplier WHERE name = ?',
    create: (name: string, key: string) =>
      api.procurement.createSupplier(
        { headers: keyed(staff.operator, key), body: { name, email: 'a@example.com' } },
        call(),
      ),
  },
] as const

describe.each(roots)('creating a $what', ({ prefix, keyspace, sql, create }) => {
  const rowsOf = async (name: string) =>
    (await everywhere(system, keyspace, { sql, args: [name] })).map(({ id }) =>
      typedId(prefix, String(id)),
    )

  test('makes one row over all shards when the reply of the commit is lost', async () => {
    const name = unique('lost')
    await control(system, 'libsql', {
      method: 'POST',
      path: 'faults',
      body: { action: 'drop-reply', match: { contains: 'INSERT INTO idempotency' } },
    })

    const created = await create(name, crypto.randomUUID())

    expect(await rowsOf(name)).toEqual([created.id])
  })

  test('makes one row when the caller, who heard nothing, sends it again and again', async () => {
    const name = unique('again')
    const key = crypto.randomUUID()

    const answers = await Promise.all(Array.from({ length: 5 }, () => create(name, key)))
    answers.push(await create(name, key))

    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(await rowsOf(name)).toEqual([answers[0]?.id])
  })

  test('makes one row when the first try was cut off at any of its requests', async () => {
    const name = unique('cut')
    const key = crypto.randomUUID()
    for (let skip = 0; skip < 4; skip += 1) {
      await control(system, 'libsql', { method: 'DELETE', path: 'faults' })
      // Every request after `skip` is cut, before or after its effect, so that the Worker's own second try fails too.
      const action = skip % 2 === 0 ? 'drop-reply' : 'drop-request'
      const match = { path: `/${keyspace}-` }
      await control(system, 'libsql', {
        method: 'POST',
        path: 'faults',
        body: { action, skip, times: 4, match },
      })
      await create(name, key).catch(() => undefined)
    }
    await control(system, 'libsql', { method: 'DELETE', path: 'faults' })

    const created = await create(name, key)

    expect(await rowsOf(name)).toEqual([created.id])
  })
})

test('a guest cart is opened once, whatever replies are lost', async () => {
  const key = crypto.randomUUID()
  const open = () =>
    api.orders.createCart({ headers: { 'idempotency-key': key }, body: {} }, call())
  const count = async () =>
    (await everywhere(system, 'orders', { sql: 'SELECT id FROM cart' })).length
  const before = await count()
  await control(system, 'libsql', {
    method: 'POST',
    path: 'faults',
    body: { action: 'drop-reply', match: { contains: 'INSERT INTO idempotency' }, times: 2 },
  })

  await open().catch(() => undefined)
  const [first, second] = [await open(), await open()]

  expect(second).toEqual(first)
  expect(await count()).toBe(before + 1)
})

test('an order and a purchase order are placed once, whatever replies are lost', async () => {
  const product = await api.catalog.createProduct(
    {
      headers: keyed(seller.token),
      body: {
        sku: unique('SKU'),
        title: 'x',
        category,
        priceMinor: 100,
        currency: 'EUR',
        stock: 5,
      },
    },
    call(),
  )
  const cart = await api.orders.createCart({ headers: keyed(seller.token), body: {} }, call())
  const item = { params: { cart: cart.id, product: product.id }, body: { quantity: 1 } }
  await api.orders.setCartItem({ headers: keyed(seller.token), ...item }, call())
  const supplier = await roots[2].create(unique('sup'), crypto.randomUUID())
  const [orderKey, purchaseKey] = [crypto.randomUUID(), crypto.randomUUID()]
  const place = () =>
    api.orders.placeOrder(
      { headers: keyed(seller.token, orderKey), body: { cart: cart.id, payment } },
      call(),
    )
  const lines = [{ product: product.id, ordered: 1, costMinor: 1 }]
  const purchase = () =>
    api.procurement.createPurchaseOrder(
      {
        headers: keyed(staff.operator, purchaseKey),
        body: { supplier: supplier.id, currency: 'EUR', lines },
      },
      call(),
    )

  for (const create of [place, purchase]) {
    await control(system, 'libsql', {
      method: 'POST',
      path: 'faults',
      body: { action: 'drop-reply', match: { contains: 'INSERT INTO idempotency' }, times: 2 },
    })
    await create().catch(() => undefined)
    const first = await create()
    expect(await create()).toEqual(first)
  }

  const orders = await everywhere(system, 'orders', {
    sql: "SELECT id FROM outbox WHERE type = 'order.placed'",
  })
  const purchases = await everywhere(system, 'procurement', {
    sql: 'SELECT id FROM purchase_order',
  })
  expect([orders.length, purchases.length]).toEqual([1, 1])
})
