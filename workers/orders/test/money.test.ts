import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  ask,
  deliver,
  ids,
  member,
  moneySaid,
  offer,
  type Placed,
  placed,
  quiet,
  rowsEverywhere,
} from './world.ts'

async function shown({ id, buyer }: Placed) {
  return (await ask('GET', `/v1/orders/${id}`, { headers: buyer.headers })).body
}

/** What a payment of an order said in its life: taken in parts, given back in parts, and the bank was there too. */
function lifeOf(made: Placed) {
  const payment = ids.child(made.buyer.id)
  const said = (type: Parameters<typeof moneySaid>[0], operation: string, amountMinor: number) =>
    moneySaid(type, made, { payment, operation, amountMinor })
  return [
    said('payment.captured', 'c1', 400),
    said('payment.captured', 'c2', 300),
    said('payment.voided', 'void', 300),
    said('payment.refunded', 'r1', 100),
    said('payment.refunded', 'r2', 50),
    said('payment.charged_back', 'cb', 200),
  ]
}

const whole = { capturedMinor: 700, voidedMinor: 300, refundedMinor: 150, disputedMinor: 200 }

describe('what payments say of an order', () => {
  test('is nothing before they say it', async () => {
    const made = await placed([offer()])

    const money = { capturedMinor: 0, voidedMinor: 0, refundedMinor: 0, disputedMinor: 0 }
    expect(await shown(made)).toMatchObject({ money, cancellation: null })
  })

  test('is shown of the order, and in its timeline', async () => {
    const made = await placed([offer()])
    await quiet()

    expect((await deliver(lifeOf(made))).status).toBe(200)

    expect(await shown(made)).toMatchObject({ state: 'confirmed', money: whole })
    const path = `/v1/orders/${made.id}/timeline`
    const { body } = await ask('GET', path, { headers: made.buyer.headers })
    const entries = (body['entries'] as readonly Record<string, unknown>[]).slice(7)
    expect(entries.map(({ step, action, amountMinor }) => [step, action, amountMinor])).toEqual([
      ['payment', 'captured', 400],
      ['payment', 'captured', 300],
      ['payment', 'voided', 300],
      ['payment', 'refunded', 100],
      ['payment', 'refunded', 50],
      ['payment', 'disputed', 200],
    ])
  })

  test('counts once, in whatever order, however often and with whatever beside it comes', async () => {
    const orders = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 })
    const repeats = fc.array(fc.nat(5), { maxLength: 6 })
    const run = async (order: readonly number[], again: readonly number[], size: number) => {
      const made = await placed([offer()])
      const life = lifeOf(made)
      const events = [...order, ...again].flatMap((index) => life[index] ?? [])
      for (let start = 0; start < events.length; start += size)
        expect((await deliver(events.slice(start, start + size))).status).toBe(200)
      expect(await shown(made)).toMatchObject({ money: whole })
    }
    const deliveries = fc.asyncProperty(orders, repeats, fc.integer({ min: 1, max: 4 }), run)

    await fc.assert(deliveries, { numRuns: 8 })
  })

  test('counts once when the same comes ten times at once', async () => {
    const made = await placed([offer()])
    const life = lifeOf(made)

    await Promise.all(Array.from({ length: 10 }, () => deliver(life)))

    expect(await shown(made)).toMatchObject({ money: whole })
  })

  test('adds up over several payments', async () => {
    const made = await placed([offer()])

    await deliver([...lifeOf(made), ...lifeOf(made)])

    expect(await shown(made)).toMatchObject({ money: { capturedMinor: 1_400, refundedMinor: 300 } })
  })

  test('is not kept of orders that are not here, and stops no other', async () => {
    const made = await placed([offer()])
    const nobody = member()
    const raw = ids.child(nobody.id)
    const foreign = { id: `ord_${raw}`, raw, buyer: nobody }

    const { status } = await deliver([...lifeOf(foreign), ...lifeOf(made)])

    expect(status).toBe(200)
    expect(await shown(made)).toMatchObject({ money: whole })
    const kept = await rowsEverywhere('SELECT 1 FROM order_money WHERE order_id = ?', [raw])
    expect(kept).toEqual([])
  })

  test('is not kept of a top-up, which has no order', async () => {
    const made = await placed([offer()])
    const [event] = lifeOf(made)
    if (event === undefined) throw new Error('there is no event')
    const data = { ...(event.data as Record<string, unknown>), order: null }

    expect((await deliver([{ ...event, data } as typeof event])).status).toBe(200)
    expect(await shown(made)).toMatchObject({ money: { capturedMinor: 0 } })
  })
})
