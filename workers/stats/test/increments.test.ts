import { expect, test } from 'vitest'

import { incrementsOf } from '../src/domain/increments.ts'
import { cancelled, confirmed, ids, postCreated, rejected, subject } from './harness.ts'

test('a post counts for its author', () => {
  const author = subject()

  expect(incrementsOf(postCreated(author))).toEqual([{ subject: author, metric: 'posts', by: 1 }])
})

test('a confirmed order counts for its buyer, and once for each product, with the units of all its lines', () => {
  const [buyer, one, other] = [subject(), subject(), subject()]
  const lines = [
    { product: one, quantity: 2 },
    { product: other, quantity: 1 },
    { product: one, quantity: 3 },
  ]

  expect(incrementsOf(confirmed(buyer, lines))).toEqual([
    { subject: buyer, metric: 'orders', by: 1 },
    { subject: one, metric: 'sold', by: 5 },
    { subject: one, metric: 'orders', by: 1 },
    { subject: other, metric: 'sold', by: 1 },
    { subject: other, metric: 'orders', by: 1 },
  ])
})

test('a rejected order counts only as one of its buyer', () => {
  const buyer = subject()

  expect(incrementsOf(rejected(buyer))).toEqual([
    { subject: buyer, metric: 'rejected_orders', by: 1 },
  ])
})

test('a cancelled order counts as one of its buyer, and takes nothing from what was sold', () => {
  const buyer = subject()
  const order = confirmed(buyer, [{ product: subject(), quantity: 2 }])

  expect(incrementsOf(cancelled(order))).toEqual([
    { subject: buyer, metric: 'cancelled_orders', by: 1 },
  ])
})

test('an event that is not counted adds nothing', () => {
  const event = { ...rejected(ids.root('x')), type: 'delivery.due' as const }

  expect(incrementsOf(event)).toEqual([])
})
