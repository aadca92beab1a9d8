import { slotText, slotOfId } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import {
  ask,
  deliver,
  eventsOf,
  ids,
  member,
  offer,
  type Placed,
  placed,
  rowsEverywhere,
  said,
  spoil,
  startService,
  untilSpoilt,
} from './world.ts'

const isolates = [startService(), startService(), startService()]

async function shown({ id, buyer }: Placed) {
  return (await ask('GET', `/v1/orders/${id}`, { headers: buyer.headers })).body
}

/** The events after order.placed. */
async function decisionsOf({ raw }: Placed) {
  return (await eventsOf(raw)).slice(1)
}

function permutations<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length < 2) return [items]
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  )
}

describe('the answers of the warehouse', () => {
  test('confirm an order when the last line is reserved, and tell its sellers once', async () => {
    const seller = member().id
    const books = [offer({ seller }), offer({ seller, priceMinor: 500 }), offer()]
    const made = await placed(books)

    for (const book of books) {
      expect((await shown(made))['state']).toBe('pending')
      expect((await deliver([said('stock.reserved', made.raw, book)])).status).toBe(200)
    }

    expect(await shown(made)).toMatchObject({ state: 'confirmed', missing: [] })
    const lines = books.map(({ product }) => ({ product, quantity: 1 }))
    expect(await decisionsOf(made)).toEqual([
      {
        type: 'order.confirmed',
        seq: 2,
        data: {
          order: made.raw,
          buyer: made.buyer.id,
          sellers: [seller],
          lines: lines.toSorted((a, b) => (a.product < b.product ? -1 : 1)),
          totalMinor: 2_500,
          currency: 'EUR',
        },
      },
    ])
  })

  test('reject an order when a line is refused, and say what to release', async () => {
    const [kept, missing] = [offer(), offer()]
    const made = await placed([kept, missing])

    await deliver([said('stock.refused', made.raw, missing)])
    expect(await shown(made)).toMatchObject({ state: 'pending', missing: [] })
    await deliver([said('stock.reserved', made.raw, kept)])

    expect(await shown(made)).toMatchObject({
      state: 'rejected',
      missing: [`prd_${missing.product}`],
    })
    expect(await decisionsOf(made)).toEqual([
      {
        type: 'order.rejected',
        seq: 2,
        data: {
          order: made.raw,
          buyer: made.buyer.id,
          sellers: [],
          release: [{ product: kept.product, quantity: 1 }],
          missing: [missing.product],
        },
      },
    ])
  })

  test('of one delivery are folded together, also over several orders and twice the same', async () => {
    const [one, other] = [offer(), offer()]
    const [first, second] = [await placed([one, other]), await placed([one])]
    const events = [
      said('stock.reserved', first.raw, one),
      said('stock.refused', second.raw, one),
      said('stock.reserved', first.raw, other),
    ]

    const response = await deliver([...events, ...events])

    expect(response.status).toBe(200)
    expect((await shown(first))['state']).toBe('confirmed')
    expect((await shown(second))['state']).toBe('rejected')
    expect(await decisionsOf(first)).toHaveLength(1)
    expect(await decisionsOf(second)).toHaveLength(1)
  })

  test('change nothing when they come again, later or contradicted', async () => {
    const [one, other] = [offer(), offer()]
    const made = await placed([one, other])
    const events = [said('stock.reserved', made.raw, one), said('stock.refused', made.raw, other)]
    await deliver(events)
    const before = [await shown(made), await eventsOf(made.raw)]

    const statuses = [
      (await deliver(events)).status,
      (await deliver(events.toReversed())).status,
      (await deliver([said('stock.reserved', made.raw, other)])).status,
      (await deliver([said('stock.reserved', made.raw, offer())])).status,
    ]

    expect(statuses).toEqual([200, 200, 200, 200])
    expect([await shown(made), await eventsOf(made.raw)]).toEqual(before)
  })

  test.each([
    ['reserved', 'reserved', 'reserved'],
    ['reserved', 'refused', 'reserved'],
    ['refused', 'refused', 'refused'],
  ] as const)(
    '%s, %s, %s decide once in every order, at once in three isolates',
    async (...answers) => {
      const books = [offer(), offer(), offer()]
      const expected = answers.some((answer) => answer === 'refused') ? 'rejected' : 'confirmed'

      for (const order of permutations([0, 1, 2])) {
        const made = await placed(books)
        const events = order.map((index) =>
          said(`stock.${answers[index] ?? 'reserved'}`, made.raw, books[index] ?? offer()),
        )

        const responses = await Promise.all(
          events.map((event, index) => deliver([event], isolates[index])),
        )

        expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
        const decisions = await decisionsOf(made)
        expect(decisions.map(({ type, seq }) => [type, seq])).toEqual([[`order.${expected}`, 2]])
        expect((await shown(made))['state']).toBe(expected)
      }
    },
  )

  test('decide once when twelve lines come at once, each twice and in three isolates', async () => {
    const books = Array.from({ length: 12 }, () => offer())
    const made = await placed(books)
    const events = books.map((book, index) =>
      said(index % 5 === 4 ? 'stock.refused' : 'stock.reserved', made.raw, book),
    )

    // A delivery that lost too many races is refused, and the queue brings it again.
    let open = [...events, ...events.toReversed()]
    for (let rounds = 0; open.length > 0 && rounds < 10; rounds += 1) {
      const statuses = await Promise.all(
        open.map(async (event, index) => (await deliver([event], isolates[index % 3])).status),
      )
      expect(statuses.every((status) => status === 200 || status === 409)).toBe(true)
      open = open.filter((_event, index) => statuses[index] !== 200)
    }

    expect(open).toEqual([])
    const [decision, ...more] = await decisionsOf(made)
    expect(more).toEqual([])
    expect(decision).toMatchObject({ type: 'order.rejected', seq: 2 })
    expect(decision?.data['missing']).toHaveLength(2)
    expect(decision?.data['release']).toHaveLength(10)
  })

  test('are decided anew when a contradiction comes between the decision and its write', async () => {
    const [one, other] = [offer(), offer()]
    const made = await placed([one, other])
    const match = { contains: 'UPDATE order_head' }
    const rule = await spoil({ action: 'delay', delayMs: 1_000, times: 1, match })

    const late = deliver([
      said('stock.reserved', made.raw, one),
      said('stock.reserved', made.raw, other),
    ])
    await untilSpoilt(rule)
    const early = await deliver([said('stock.refused', made.raw, one)], isolates[1])

    expect([early.status, (await late).status]).toEqual([200, 200])
    expect(await shown(made)).toMatchObject({ state: 'rejected', missing: [`prd_${one.product}`] })
    const [decision, ...more] = await decisionsOf(made)
    expect(more).toEqual([])
    expect(decision).toMatchObject({
      type: 'order.rejected',
      data: { missing: [one.product], release: [{ product: other.product, quantity: 1 }] },
    })
  })

  test('count once when a delivery dies after its effect', async () => {
    const book = offer()
    const made = await placed([book])
    const event = said('stock.reserved', made.raw, book)
    await spoil({
      action: 'drop-reply',
      times: 2,
      match: { contains: 'UPDATE order_head' },
    })

    const dead = await deliver([event])
    const again = await deliver([event])

    expect([dead.status, again.status]).toEqual([503, 200])
    expect((await shown(made))['state']).toBe('confirmed')
    expect(await decisionsOf(made)).toHaveLength(1)
  })

  test('for an order that is not there come again, and the others of the delivery count', async () => {
    const book = offer()
    const made = await placed([book])
    const nowhere = ids.root('nowhere')
    const lost = said('stock.reserved', nowhere, book)

    const response = await deliver([lost, said('stock.reserved', made.raw, book)])

    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ code: 'order_unknown' })
    expect((await shown(made))['state']).toBe('confirmed')
    const inbox = await rowsEverywhere('SELECT 1 FROM inbox WHERE slot = ? AND event_id = ?', [
      slotText(slotOfId(nowhere)),
      lost.id,
    ])
    expect(inbox).toEqual([])
  })

  test('are refused without the signature of the queue', async () => {
    const { response, body } = await ask('POST', '/_inbox/orders', { body: { events: [] } })

    expect([response.status, body['code']]).toEqual([401, 'bad_signature'])
  })
})
