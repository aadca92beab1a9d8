import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { expectedSignature, type Listener, startListener } from './listener.ts'
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
  staff,
} from './people.ts'

const eventually = { timeout: 60_000, interval: 100 }

const deployments = [
  { shape: 'one', shardsPerKeyspace: 2 },
  { shape: 'many', shardsPerKeyspace: 2 },
  { shape: 'one', shardsPerKeyspace: 32 },
  { shape: 'many', shardsPerKeyspace: 32 },
] as const

describe.each(deployments)(
  '$shape Worker(s), $shardsPerKeyspace databases a keyspace',
  (options) => {
    let system: System
    let api: Api
    let listener: Listener

    beforeAll(async () => {
      system = await startSystem(options)
      api = apiOf(system.url)
      listener = await startListener()
    })

    afterAll(async () => {
      await listener.close()
      await system.close()
    })

    describe('a member', () => {
      let ada: Person
      let bob: Person

      beforeAll(async () => {
        ada = await newPerson(api, 'ada')
        bob = await newPerson(api, 'bob')
      })

      test('follows, reads what the other posts, and reads it no more after unfollowing', async () => {
        await expect
          .poll(
            async () => (await api.social.counts({ params: { member: ada.id } }, call())).posts,
            eventually,
          )
          .toBe(0)
        const following = { headers: bearer(bob.token), params: { member: ada.id } }
        await expect
          .poll(() => api.social.follow(following, call()).then(() => true), eventually)
          .toBe(true)
        const post = await api.social.createPost(
          { headers: keyed(ada.token), body: { text: 'Good morning, agora' } },
          call(),
        )

        const home = async () =>
          (await api.social.home({ headers: bearer(bob.token), query: {} }, call())).items.map(
            ({ id }) => id,
          )
        await expect.poll(home, eventually).toEqual([post.id])
        expect(await api.social.getPost({ params: { post: post.id } }, call())).toEqual(post)
        const { items } = await api.social.memberPosts(
          { params: { member: ada.id }, query: {} },
          call(),
        )
        expect(items).toEqual([post])
        await expect
          .poll(() => api.social.counts({ params: { member: ada.id } }, call()), eventually)
          .toEqual({ posts: 1, followers: 1, following: 0 })

        await api.social.unfollow(following, call())

        expect(await home()).toEqual([])
        await expect
          .poll(() => api.social.counts({ params: { member: ada.id } }, call()), eventually)
          .toEqual({ posts: 1, followers: 0, following: 0 })
        expect(await api.social.counts({ params: { member: bob.id } }, call())).toEqual({
          posts: 0,
          followers: 0,
          following: 0,
        })
      })

      test('logs out, and the token is void', async () => {
        const eve = await newPerson(api, 'eve')

        await api.users.logOut({ headers: bearer(eve.token) }, call())

        await expect(
          api.users.currentSession({ headers: bearer(eve.token) }, call()),
        ).rejects.toMatchObject({
          code: 'session_ended',
          status: 401,
        })
      })
    })

    describe('a shop', () => {
      let seller: Person
      let buyer: Person
      let category: string

      beforeAll(async () => {
        seller = await newPerson(api, 'seller')
        buyer = await newPerson(api, 'buyer')
        category = await newCategory(api)
      })

      test('sells: offer, browse, cart, order, reservation, confirmation, webhook, statistics', async () => {
        const endpoint = await api.notifier.createWebhookEndpoint(
          { headers: keyed(seller.token), body: { url: listener.url, types: ['order.confirmed'] } },
          call(),
        )
        const product = await newProduct(api, seller, { category, stock: 5 })
        const params = { product: product.id }
        await expect
          .poll(
            async () => (await api.catalog.getProduct({ params }, call())).available,
            eventually,
          )
          .toBe(5)
        await expect
          .poll(
            async () =>
              (await api.catalog.browse({ params: { category }, query: {} }, call())).items.map(
                ({ id }) => id,
              ),
            eventually,
          )
          .toEqual([product.id])

        const cart = await newCart(api, buyer, [{ product: product.id, quantity: 2 }])
        const priced = await api.orders.getCart(
          { headers: bearer(buyer.token), params: { cart } },
          call(),
        )
        expect(priced).toMatchObject({ totalMinor: 5_000, currency: 'EUR', gone: [] })
        const { quote } = priced
        const placed = await api.orders.placeOrder(
          {
            headers: keyed(buyer.token),
            body: { cart, payment, ...(quote === undefined ? {} : { quote }) },
          },
          call(),
        )
        expect(placed).toMatchObject({ state: 'confirmed', totalMinor: 5_000, buyer: buyer.id })

        const order = { headers: bearer(buyer.token), params: { order: placed.id } }
        expect(await api.orders.getOrder(order, call())).toEqual(placed)
        await expect
          .poll(async () => {
            const { entries } = await api.orders.orderTimeline(order, call())
            return entries.map(({ step, action }) => `${step} ${action}`).toSorted()
          }, eventually)
          .toEqual([
            'order confirmed',
            'order ended',
            'order placed',
            'payment confirm',
            'payment try',
            'stock confirm',
            'stock try',
          ])
        const { items: payments } = await api.payments.listOrderPayments(order, call())
        expect(payments).toMatchObject([{ state: 'authorised', amountMinor: 5_000 }])
        expect(await api.warehouse.getStock({ params }, call())).toMatchObject({
          onHand: 5,
          reserved: 2,
          available: 3,
        })
        await expect.poll(() => listener.received.length, eventually).toBe(1)
        const [hook] = listener.received
        expect(hook && hook.signature.split(' ')).toContain(
          hook && expectedSignature(hook, endpoint.secret ?? ''),
        )
        expect(JSON.parse(hook?.body ?? '')).toMatchObject({
          type: 'order.confirmed',
          data: { order: placed.id },
        })
        await expect
          .poll(
            () => api.stats.getStats({ params: { kind: 'product', subject: product.id } }, call()),
            eventually,
          )
          .toMatchObject({ counts: { sold: 2 } })
        await expect
          .poll(async () => (await api.catalog.getProduct({ params }, call())).sold, eventually)
          .toBe(2)
      })

      test('rejects an order that one of its products cannot meet, and gives the other back', async () => {
        const plenty = await newProduct(api, seller, { category, stock: 9 })
        const scarce = await newProduct(api, seller, { category, stock: 1 })
        for (const { id } of [plenty, scarce]) {
          await expect
            .poll(
              () => api.warehouse.getStock({ params: { product: id } }, call()).then(() => true),
              eventually,
            )
            .toBe(true)
        }
        const cart = await newCart(api, buyer, [
          { product: plenty.id, quantity: 3 },
          { product: scarce.id, quantity: 2 },
        ])
        const placed = await api.orders.placeOrder(
          { headers: keyed(buyer.token), body: { cart, payment } },
          call(),
        )

        expect(placed).toMatchObject({ state: 'rejected', missing: [scarce.id] })
        await expect
          .poll(
            () => api.warehouse.getStock({ params: { product: plenty.id } }, call()),
            eventually,
          )
          .toMatchObject({ onHand: 9, reserved: 0 })
      })

      test('sells five of five to 24 buyers at once, and no more', async () => {
        const product = await newProduct(api, seller, { category, stock: 5 })
        const params = { product: product.id }
        await expect
          .poll(() => api.warehouse.getStock({ params }, call()).then(() => true), eventually)
          .toBe(true)
        const buyers: Person[] = []
        for (let n = 0; n < 24; n += 1) buyers.push(await newPerson(api, 'crowd'))
        const carts = await Promise.all(
          buyers.map((each) => newCart(api, each, [{ product: product.id, quantity: 1 }])),
        )

        const placed = await Promise.all(
          buyers.map((each, index) =>
            api.orders.placeOrder(
              { headers: keyed(each.token), body: { cart: carts[index] ?? '', payment } },
              call(),
            ),
          ),
        )
        const states = async () => {
          const orders = await Promise.all(
            placed.map(({ id }, index) =>
              api.orders.getOrder(
                { headers: bearer(buyers[index]?.token ?? ''), params: { order: id } },
                call(),
              ),
            ),
          )
          return Object.fromEntries(
            [...Map.groupBy(orders, ({ state }) => state)].map(([state, list]) => [
              state,
              list.length,
            ]),
          )
        }

        await expect
          .poll(states, { timeout: 60_000, interval: 300 })
          .toEqual({ confirmed: 5, rejected: 19 })
        expect(await api.warehouse.getStock({ params }, call())).toMatchObject({
          onHand: 5,
          reserved: 5,
          available: 0,
        })
      })

      test('restocks: supplier, purchase order, receipt, stock', async () => {
        const product = await newProduct(api, seller, { category, stock: 1 })
        const params = { product: product.id }
        const headers = () => keyed(staff.operator)
        const supplier = await api.procurement.createSupplier(
          { headers: headers(), body: { name: 'Lampworks', email: 'sales@lampworks.example' } },
          call(),
        )
        const lines = [{ product: product.id, ordered: 10, costMinor: 900 }]
        const ordered = await api.procurement.createPurchaseOrder(
          { headers: headers(), body: { supplier: supplier.id, currency: 'EUR', lines } },
          call(),
        )
        const receipt = { purchaseOrder: ordered.id }
        const received = [{ product: product.id, received: 4 }]

        const first = await api.procurement.receiveGoods(
          { headers: headers(), params: receipt, body: { lines: received } },
          call(),
        )

        expect(first.purchaseOrder.state).toBe('partially_received')
        await expect
          .poll(() => api.warehouse.getStock({ params }, call()), eventually)
          .toMatchObject({ onHand: 5 })
      })

      test('takes a guest cart over when the guest logs in', async () => {
        const product = await newProduct(api, seller, { category, stock: 3 })
        await expect
          .poll(
            () =>
              api.warehouse.getStock({ params: { product: product.id } }, call()).then(() => true),
            eventually,
          )
          .toBe(true)
        const guest = await api.orders.createCart(
          { headers: { 'idempotency-key': crypto.randomUUID() }, body: {} },
          call(),
        )
        const cartToken = guest.token ?? ''
        await api.orders.setCartItem(
          {
            headers: { 'x-cart-token': cartToken },
            params: { cart: guest.id, product: product.id },
            body: { quantity: 1 },
          },
          call(),
        )

        const placed = await api.orders.placeOrder(
          { headers: keyed(buyer.token), body: { cart: guest.id, cartToken, payment } },
          call(),
        )

        await expect
          .poll(
            async () =>
              (
                await api.orders.getOrder(
                  { headers: bearer(buyer.token), params: { order: placed.id } },
                  call(),
                )
              ).state,
            eventually,
          )
          .toBe('confirmed')
      })
    })
  },
)
