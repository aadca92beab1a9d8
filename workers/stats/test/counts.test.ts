import { typedId } from '@stoa/kernel'
import { array, assert, asyncProperty, integer, nat } from 'fast-check'
import { describe, expect, test, vi } from 'vitest'

import {
  cancelled,
  confirmed,
  countsOf,
  deliver,
  get,
  ids,
  postCreated,
  redisTripsOf,
  rejected,
  roundTripsOf,
  spoil,
  subject,
  typed,
} from './harness.ts'

describe('the inbox', () => {
  test('counts a confirmed order for its buyer and for each of its products', async () => {
    const [buyer, one, other] = [subject(), subject(), subject()]
    const lines = [
      { product: one, quantity: 2 },
      { product: other, quantity: 1 },
    ]

    expect(await deliver([confirmed(buyer, lines), rejected(buyer), postCreated(buyer)])).toBe(200)

    expect(await countsOf('member', buyer)).toEqual({ orders: 1, rejected_orders: 1, posts: 1 })
    expect(await countsOf('product', one)).toEqual({ sold: 2, orders: 1 })
    expect(await countsOf('product', other)).toEqual({ sold: 1, orders: 1 })
  })

  test('counts a cancelled order beside what it was when it was confirmed, in whatever order they come', async () => {
    const [buyer, product] = [subject(), subject()]
    const order = confirmed(buyer, [{ product, quantity: 2 }])

    expect(await deliver([cancelled(order), order])).toBe(200)

    expect(await countsOf('member', buyer)).toEqual({ orders: 1, cancelled_orders: 1 })
    expect(await countsOf('product', product)).toEqual({ sold: 2, orders: 1 })
  })

  test('counts subjects that share a slot with each other, each for itself', async () => {
    const buyer = subject()
    const [one, other] = [ids.child(buyer), ids.child(buyer)]
    const lines = [
      { product: one, quantity: 2 },
      { product: other, quantity: 3 },
    ]

    await deliver([confirmed(buyer, lines)])

    expect(await countsOf('member', buyer)).toEqual({ orders: 1 })
    expect(await countsOf('product', one)).toEqual({ sold: 2, orders: 1 })
    expect(await countsOf('product', other)).toEqual({ sold: 3, orders: 1 })
  })

  test('counts a delivery once that comes three times in a row and ten times at once', async () => {
    const [buyer, product] = [subject(), subject()]
    const events = [confirmed(buyer, [{ product, quantity: 4 }]), postCreated(buyer)]

    for (let time = 0; time < 3; time += 1) expect(await deliver(events)).toBe(200)
    const together = await Promise.all(Array.from({ length: 10 }, () => deliver(events)))

    expect(new Set(together)).toEqual(new Set([200]))
    expect(await countsOf('member', buyer)).toEqual({ orders: 1, posts: 1 })
    expect(await countsOf('product', product)).toEqual({ sold: 4, orders: 1 })
  })

  test('counts a new event that comes between known ones', async () => {
    const author = subject()
    const known = [postCreated(author), postCreated(author)]
    await deliver(known)

    await deliver([...known, postCreated(author)])

    expect(await countsOf('member', author)).toEqual({ posts: 3 })
  })

  test('counts once when the reply of the database is lost after the commit', async () => {
    const author = subject()
    const requestId = crypto.randomUUID()
    const events = [postCreated(author)]
    await spoil({ action: 'drop-reply', times: 1, match: { requestId, contains: 'counter' } })

    const first = await deliver(events, requestId)
    const again = await deliver(events)

    expect([first, again]).toEqual([200, 200])
    expect(await roundTripsOf(requestId)).toBeGreaterThan(1)
    expect(await countsOf('member', author)).toEqual({ posts: 1 })
  })

  test('always counts each event once, in whatever portions, order and repetition they come', async () => {
    await assert(
      asyncProperty(
        array(array(nat({ max: 7 }), { minLength: 1, maxLength: 6 }), {
          minLength: 1,
          maxLength: 6,
        }),
        array(integer({ min: 1, max: 999 }), { minLength: 8, maxLength: 8 }),
        async (deliveries, quantities) => {
          const [buyer, product] = [subject(), subject()]
          const events = quantities.map((quantity) => confirmed(buyer, [{ product, quantity }]))
          const came = new Set(deliveries.flat())

          await Promise.all(
            deliveries.map((portion) => deliver(portion.flatMap((index) => events[index] ?? []))),
          )

          const sold = quantities.reduce((sum, n, index) => sum + (came.has(index) ? n : 0), 0)
          expect(await countsOf('product', product)).toEqual({ sold, orders: came.size })
          expect(await countsOf('member', buyer)).toEqual({ orders: came.size })
        },
      ),
      { numRuns: 20 },
    )
  })

  test('takes a delivery of 100 events in one round trip a shard', async () => {
    const requestId = crypto.randomUUID()

    await deliver(
      Array.from({ length: 100 }, () => postCreated(subject())),
      requestId,
    )

    expect(await roundTripsOf(requestId)).toBeLessThanOrEqual(2)
  })
})

describe('GET /v1/stats/{kind}/{subject}', () => {
  test('answers no counts for a subject nothing was counted of', async () => {
    expect(await countsOf('member', subject())).toEqual({})
  })

  test('costs one round trip to a database and one to Redis, at once, when it was read before', async () => {
    const path = `/v1/stats/member/${typed('member', subject())}`
    const first = crypto.randomUUID()
    await get(path, first)

    expect(await roundTripsOf(first)).toBe(2)
    // What was read is published behind the answer.
    await vi.waitFor(async () => {
      const again = crypto.randomUUID()
      await get(path, again)
      expect([await roundTripsOf(again), await redisTripsOf(again)]).toEqual([1, 1])
    })
  })

  test.each([
    ['a member by a product id', `member/${typedId('prd', subject())}`, 'invalid_id'],
    ['a product by a member id', `product/${typedId('usr', subject())}`, 'invalid_id'],
    ['a raw id', `member/${subject()}`, 'invalid_request'],
    ['another kind', `order/${typedId('usr', subject())}`, 'invalid_request'],
    ['small letters', `member/${typedId('usr', subject()).toLowerCase()}`, 'invalid_request'],
  ])('refuses %s with 400', async (_what, path, code) => {
    const response = await get(`/v1/stats/${path}`)

    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code })
  })
})
