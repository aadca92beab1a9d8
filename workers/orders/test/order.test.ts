import { createIds, manualClock, seededRandom } from '@stoa/kernel'
import { newSaga, type Saga, type SagaState } from '@stoa/transactions'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cancellationOf, orderAfterCancelling } from '../src/domain/cancellation.ts'
import { orderDecided } from '../src/domain/order-events.ts'
import { newOrder, type Order, refusedOf } from '../src/domain/order.ts'
import { orderAfter, placementOf, productOf } from '../src/domain/placement.ts'
import { historyOf } from '../src/domain/timeline.ts'

const clock = manualClock(1_700_000_000_000)
const ids = createIds({ clock, random: seededRandom(1) })

function orderOf(count: number, totalMinor = 100): Order {
  const lines = Array.from({ length: count }, (_, index) => ({
    product: ids.root(`product ${index}`),
    title: `Book ${index}`,
    quantity: index + 1,
    priceMinor: 100,
    seller: index % 2 === 0 ? ids.root('seller') : null,
  }))
  const buyer = ids.root('buyer')
  const about = { id: ids.child(buyer), buyer, cart: ids.child(buyer), totalMinor, currency: 'EUR' }
  return newOrder({ ...about, createdAt: clock.now(), lines })
}

function sagaOf(order: Order): Saga {
  const how = { method: { token: 'tok' }, deadlineMs: 60_000 }
  return newSaga(placementOf(order, how), order, { id: order.id, now: order.createdAt })
}

const outcome = fc.constantFrom('done', 'refused', 'pending', 'failed', undefined)
const state = fc.constantFrom<SagaState>('trying', 'confirming', 'cancelling', 'done', 'cancelled')

/** An order and its saga with anything known of its steps. */
const heard = fc
  .record({ outcomes: fc.array(outcome, { minLength: 2, maxLength: 8 }), state, at: fc.nat() })
  .map(({ outcomes, state: reached, at }) => {
    const order = orderOf(outcomes.length - 1)
    const fresh = sagaOf(order)
    const steps = fresh.steps.map((step, index) => {
      const known = outcomes[index]
      if (known === undefined) return step
      const tried = { outcome: known, at: order.createdAt + (at % 60_000), attempts: 1, code: 'x' }
      return { ...step, progress: { try: tried } }
    })
    return { order, saga: { ...fresh, state: reached, steps } }
  })

describe('the placement of an order', () => {
  test('tries the payment and each product once, all at once', () => {
    const order = orderOf(3)

    const { steps } = sagaOf(order)

    expect(steps.map(({ stage }) => stage)).toEqual([0, 0, 0, 0])
    expect(steps.map(({ name }) => productOf(name))).toEqual([
      undefined,
      ...order.lines.map(({ product }) => product),
    ])
    expect(steps[0]?.request).toMatchObject({ order: order.id, amountMinor: 100, currency: 'EUR' })
  })

  test('has no payment when it costs nothing', () => {
    expect(sagaOf(orderOf(1, 0)).steps.map(({ actions }) => actions.try)).toEqual(['stock'])
  })
})

describe('an order by its saga', () => {
  test('is decided exactly when the saga is, once, with its moment', () => {
    fc.assert(
      fc.property(heard, ({ order, saga }) => {
        const after = orderAfter(order, saga, 5)

        const isPending = saga.state === 'trying'
        expect(after.state === 'pending').toBe(isPending)
        expect([after.version, after.decidedAt]).toEqual(isPending ? [1, null] : [2, 5])
        const isKept = saga.state === 'confirming' || saga.state === 'done'
        expect(after.state === 'confirmed').toBe(isKept)
      }),
    )
  })

  test('says of each line what the warehouse said of it, and of the payment why it waits or failed', () => {
    fc.assert(
      fc.property(heard, ({ order, saga }) => {
        const after = orderAfter(order, saga, 5)

        const [pays, ...reserves] = saga.steps.map(({ progress }) => progress.try?.outcome)
        const said = { done: 'reserved', refused: 'refused', pending: 'pending', failed: 'pending' }
        expect(after.lines.map((line) => line.state)).toEqual(
          reserves.map((each) => (each === undefined ? 'pending' : said[each])),
        )
        const isKnown = pays === 'done' || pays === undefined
        const reasons = isKnown ? [null] : pays === 'refused' ? ['x'] : ['x', null]
        expect(reasons).toContain(after.payment)
      }),
    )
  })

  test('tells of its decision once, with sequence number 2 and what was missing', () => {
    fc.assert(
      fc.property(heard, ({ order, saga }) => {
        const after = orderAfter(order, saga, 5)

        const events = orderDecided(ids, after, { at: 5, cause: 'test' })

        expect(events.map(({ key, seq }) => [key, seq])).toEqual(
          after.state === 'pending' ? [] : [[order.id, 2]],
        )
        const missing = events.map(({ data }) => ('missing' in data ? data.missing : 'confirmed'))
        const expected = after.state === 'rejected' ? refusedOf(after) : 'confirmed'
        expect(missing).toEqual(after.state === 'pending' ? [] : [expected])
      }),
    )
  })

  test('has a history in order of time, which begins when it was placed', () => {
    fc.assert(
      fc.property(heard, ({ order, saga }) => {
        const after = orderAfter(order, saga, order.createdAt + 70_000)

        const lines = historyOf(after, saga)

        expect(lines[0]).toMatchObject({ action: 'placed', at: order.createdAt })
        const moments = lines.map(({ at }) => at)
        expect(moments).toEqual(moments.toSorted((a, b) => a - b))
        const asked = saga.steps.filter(({ progress }) => progress.try !== undefined)
        expect(lines.filter(({ action }) => action === 'try')).toHaveLength(asked.length)
      }),
    )
  })
})

/** A confirmed order that somebody wants cancelled, and the saga of that with anything known of its steps. */
const heardOfCancelling = heard.map(({ order, saga: { state: reached, steps } }) => {
  const now = order.createdAt + 100_000
  const id = ids.child(order.buyer)
  const fresh = newSaga(cancellationOf(order), order, { id, now })
  const cancellation = { saga: id, state: 'pending', by: 'buyer', askedAt: now } as const
  const progress = steps.map((step) => step.progress)
  const saga: Saga = {
    ...fresh,
    state: reached,
    steps: fresh.steps.map((step, index) => ({ ...step, progress: progress[index] ?? {} })),
  }
  const decided = { state: 'confirmed', version: 2, decidedAt: order.createdAt } as const
  const wanted = { ...cancellation, decidedAt: null, code: null }
  return { order: { ...order, ...decided, cancellation: wanted }, saga }
})

describe('an order by the saga that cancels it', () => {
  test('is tried, done and undone in money, and in units undone by doing nothing', () => {
    const order = orderOf(3)

    const { steps } = newSaga(cancellationOf(order), order, { id: order.id, now: 1 })

    expect(steps.map(({ stage }) => stage)).toEqual([0, 0, 0, 0])
    const undoes = steps.map(({ actions }) => actions.cancel)
    expect(undoes).toEqual(['return', undefined, undefined, undefined])
    expect(new Set(steps.map(({ request }) => request['order']))).toEqual(new Set([order.id]))
  })

  test('is cancelled exactly when the saga is decided so, and stays as it was when it is not', () => {
    fc.assert(
      fc.property(heardOfCancelling, ({ order, saga }) => {
        const after = orderAfterCancelling(order, saga, 5)

        const isGone = saga.state === 'confirming' || saga.state === 'done'
        const isOpen = saga.state === 'trying'
        expect([after.state, after.version]).toEqual(isGone ? ['cancelled', 3] : ['confirmed', 2])
        const { state: is, decidedAt, code } = after.cancellation ?? {}
        expect(is).toBe(isGone ? 'cancelled' : isOpen ? 'pending' : 'refused')
        expect(decidedAt).toBe(isOpen ? null : 5)
        expect(code === null).toBe(isGone || isOpen)
        expect({ ...after, ...order }).toEqual(order)
        const events = orderDecided(ids, after, { at: 5, cause: 'test' })
        const told = events.map(({ type, seq }) => [type, seq])
        expect(told).toEqual(isGone ? [['order.cancelled', 3]] : [['order.confirmed', 2]])
      }),
    )
  })
})
