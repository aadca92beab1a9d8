import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  DuplicateLineError,
  type PurchaseOrder,
  stateOf,
  TotalTooLargeError,
  totalOf,
} from '../src/domain/purchase-order.ts'
import {
  NotOrderedError,
  OverReceiptError,
  received,
  type ReceivedLine,
} from '../src/domain/receipt.ts'

function orderOf(...ordered: readonly number[]): PurchaseOrder {
  const lines = ordered.map((units, at) => {
    return { product: `p${at}`, ordered: units, received: 0, costMinor: 1 }
  })
  return { id: 'o', supplier: 's', currency: 'EUR', totalMinor: 1, lines, version: 0, createdAt: 0 }
}

/** The order after `line`, or nothing when it would be too much. */
function tried(order: PurchaseOrder, line: ReceivedLine): PurchaseOrder | undefined {
  try {
    return received(order, [line])
  } catch (error) {
    if (error instanceof OverReceiptError) return undefined
    throw error
  }
}

describe('received', () => {
  test('never lets more in than was ordered, and loses nothing that it let in', () => {
    const units = fc.integer({ min: 1, max: 9 })
    const line = fc.record({ product: fc.constantFrom('p0', 'p1'), received: units })
    fc.assert(
      fc.property(units, units, fc.array(line, { maxLength: 20 }), (one, other, arrivals) => {
        let order = orderOf(one, other)
        let taken = 0
        for (const arrival of arrivals) {
          const after = tried(order, arrival)
          if (after === undefined) continue
          order = after
          taken += arrival.received
        }
        expect(order.lines.every((each) => each.received <= each.ordered)).toBe(true)
        expect(order.lines.reduce((sum, each) => sum + each.received, 0)).toBe(taken)
      }),
    )
  })

  test('makes one version more', () => {
    expect(received(orderOf(2), [{ product: 'p0', received: 1 }]).version).toBe(1)
  })

  test('refuses a product twice, and one that was not ordered', () => {
    const line = { product: 'p0', received: 1 }

    expect(() => received(orderOf(2), [line, line])).toThrow(DuplicateLineError)
    expect(() => received(orderOf(2), [{ product: 'px', received: 1 }])).toThrow(NotOrderedError)
  })
})

test.each([
  ['submitted', []],
  ['partially_received', [{ product: 'p0', received: 2 }]],
  [
    'received',
    [
      { product: 'p0', received: 2 },
      { product: 'p1', received: 1 },
    ],
  ],
])('an order is %s by its lines', (state, lines) => {
  expect(stateOf(received(orderOf(2, 1), lines))).toBe(state)
})

test('a total is exact up to its bound, and refused beyond', () => {
  expect(totalOf([{ ordered: 1_000_000, costMinor: 1_000_000 }])).toBe(1_000_000_000_000)
  expect(() =>
    totalOf([
      { ordered: 1_000_000, costMinor: 1_000_000 },
      { ordered: 1, costMinor: 1 },
    ]),
  ).toThrow(TotalTooLargeError)
})
