import { createIds, manualClock, seededRandom } from '@stoa/kernel'
import { newEvent } from '@stoa/messaging'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type StockAnswer, stepsOf } from '../src/domain/order-settle.ts'
import { type Answer, answered, newOrder, type Order } from '../src/domain/order.ts'

const clock = manualClock(1_700_000_000_000)
const ids = createIds({ clock, random: seededRandom(1) })

function orderOf(count: number): Order {
  const lines = Array.from({ length: count }, (_, index) => ({
    product: ids.root(`product ${index}`),
    title: `Book ${index}`,
    quantity: index + 1,
    priceMinor: 100,
    seller: index % 2 === 0 ? ids.root('seller') : null,
  }))
  const buyer = ids.root('buyer')
  const cart = ids.child(buyer)
  const order = { id: ids.child(buyer), buyer, cart, totalMinor: 100, currency: 'EUR' }
  return newOrder({ ...order, createdAt: clock.now(), lines })
}

const answer = fc.constantFrom<Answer>('reserved', 'refused')

/** An order, one answer for each of its lines, and these answers repeated and shuffled, each at least once. */
const told = fc.array(answer, { minLength: 1, maxLength: 6 }).chain((answers) => {
  const order = orderOf(answers.length)
  const all = order.lines.map(({ product }, index) => ({
    product,
    answer: answers[index] ?? 'reserved',
  }))
  const repeats = fc.array(fc.constantFrom(...all), { maxLength: 8 })
  return repeats.chain((more) => {
    const sequence = [...all, ...more]
    return fc
      .shuffledSubarray(sequence, { minLength: sequence.length })
      .map((shuffled) => ({ order, all, shuffled }))
  })
})

/** Answers that may contradict each other and name products that were never ordered. */
const wild = fc.nat({ max: 5 }).chain((extra) => {
  const order = orderOf(extra + 1)
  const products = [...order.lines.map(({ product }) => product), ids.root('a stranger')]
  const one = fc.record({ product: fc.constantFrom(...products), answer })
  return fc.array(one, { maxLength: 30 }).map((sequence) => ({ order, sequence }))
})

function stockAnswer(order: Order, said: { product: string; answer: Answer }): StockAnswer {
  const data = { order: order.id, product: said.product, quantity: 1 }
  const source = { key: said.product, seq: 1, at: clock.now(), cause: 'test', data }
  return { ...said, order: order.id, event: newEvent(ids, `stock.${said.answer}`, source) }
}

describe('an order', () => {
  test('ends alike whatever the order and the repetition of the answers', () => {
    fc.assert(
      fc.property(told, ({ order, all, shuffled }) => {
        const inOrder = all.reduce(answered, order)

        const end = shuffled.reduce(answered, order)

        expect(end).toEqual(inOrder)
        expect(end.version).toBe(2)
        expect(end.state).toBe(
          all.some((each) => each.answer === 'refused') ? 'rejected' : 'confirmed',
        )
      }),
    )
  })

  test('is pending exactly while a line is, and never leaves a decided state', () => {
    fc.assert(
      fc.property(wild, ({ order, sequence }) => {
        let current = order
        for (const said of sequence) {
          const next = answered(current, said)
          const waits = next.lines.some(({ state }) => state === 'pending')
          expect(next.state === 'pending').toBe(waits)
          expect(next.version).toBe(waits ? 1 : 2)
          expect(current.state === 'pending' || next === current).toBe(true)
          current = next
        }
      }),
    )
  })

  test('keeps the first answer of a line', () => {
    fc.assert(
      fc.property(wild, ({ order, sequence }) => {
        const first = new Map<string, Answer>()
        for (const said of sequence) {
          if (!first.has(said.product)) first.set(said.product, said.answer)
        }

        const end = sequence.reduce(answered, order)

        for (const { product, state } of end.lines) {
          expect(state).toBe(first.get(product) ?? 'pending')
        }
      }),
    )
  })
})

describe('the steps of a delivery', () => {
  test('decide an order in exactly one of them, which says so once with sequence number 2', () => {
    fc.assert(
      fc.property(told, ({ order, shuffled }) => {
        const answers = shuffled.map((each) => stockAnswer(order, each))

        const steps = stepsOf({ ids, clock }, new Map([[order.id, order]]), answers)

        const events = steps.flatMap((step) => step.events)
        expect(events.map(({ key, seq }) => [key, seq])).toEqual([[order.id, 2]])
        expect(steps).toHaveLength(answers.length)
      }),
    )
  })

  test('name every line once in what is said: released, missing or confirmed', () => {
    fc.assert(
      fc.property(told, ({ order, shuffled }) => {
        const answers = shuffled.map((each) => stockAnswer(order, each))

        const steps = stepsOf({ ids, clock }, new Map([[order.id, order]]), answers)

        const [event] = steps.flatMap((step) => step.events)
        const data = event?.data as {
          readonly lines?: readonly { product: string; quantity: number }[]
          readonly release?: readonly { product: string; quantity: number }[]
          readonly missing?: readonly string[]
        }
        const named = [...(data.lines ?? []), ...(data.release ?? [])]
        const products = [...named.map(({ product }) => product), ...(data.missing ?? [])]
        expect(products.toSorted()).toEqual(order.lines.map(({ product }) => product))
        for (const { product, quantity } of named) {
          expect(order.lines.find((line) => line.product === product)?.quantity).toBe(quantity)
        }
      }),
    )
  })

  test('leave out answers for orders that were not found', () => {
    const order = orderOf(1)
    const answers = [stockAnswer(order, { product: ids.root('x'), answer: 'reserved' })]

    expect(stepsOf({ ids, clock }, new Map(), answers)).toEqual([])
  })
})
