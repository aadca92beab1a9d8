import { type Saga, timelineOf } from '@stoa/transactions'

import type { Order } from './order.ts'
import { productOf } from './placement.ts'

/** One line of an order's history. */
export type HistoryLine = {
  readonly at: number
  readonly step: 'order' | 'payment' | 'stock'
  readonly action: 'placed' | 'confirmed' | 'rejected' | 'ended' | 'try' | 'confirm' | 'cancel'
  readonly product?: string
  readonly outcome?: 'done' | 'refused' | 'pending' | 'failed'
  readonly attempts?: number
  readonly code?: string
}

/** At one moment: what was asked comes before what was decided on it, and that before what followed. */
const ranks = { placed: 0, try: 1, confirmed: 2, rejected: 2, confirm: 3, cancel: 3, ended: 4 }

/** What was done for `order`, in order of time. */
export function historyOf(order: Order, saga: Saga): readonly HistoryLine[] {
  const asked = timelineOf(saga).map(({ step, ...entry }): HistoryLine => {
    const product = productOf(step)
    return product === undefined
      ? { ...entry, step: 'payment' }
      : { ...entry, step: 'stock', product }
  })
  const own: HistoryLine[] = [{ at: order.createdAt, step: 'order', action: 'placed' }]
  if (order.state !== 'pending' && order.decidedAt !== null) {
    own.push({ at: order.decidedAt, step: 'order', action: order.state })
  }
  if (saga.finishedAt !== undefined) {
    own.push({ at: saga.finishedAt, step: 'order', action: 'ended' })
  }
  return [...own, ...asked].toSorted(
    (one, other) => one.at - other.at || ranks[one.action] - ranks[other.action],
  )
}
