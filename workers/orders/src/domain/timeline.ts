import { type Saga, timelineOf } from '@stoa/transactions'

import type { MoneyKind, Order } from './order.ts'
import { productOf } from './placement.ts'
import type { MoneyFact } from './ports.ts'

/** One line of an order's history. */
export type HistoryLine = {
  readonly at: number
  readonly step: 'order' | 'payment' | 'stock' | 'refund' | 'restock'
  readonly action:
    | 'placed'
    | 'confirmed'
    | 'rejected'
    | 'ended'
    | 'try'
    | 'confirm'
    | 'cancel'
    | 'cancel_asked'
    | 'cancelled'
    | 'cancel_refused'
    | MoneyKind
  readonly product?: string
  readonly amountMinor?: number
  readonly outcome?: 'done' | 'refused' | 'pending' | 'failed'
  readonly attempts?: number
  readonly code?: string
}

/** At one moment: what was asked comes before what was decided on it, and that before what followed. */
const ranks: Readonly<Record<HistoryLine['action'], number>> = {
  placed: 0,
  cancel_asked: 0,
  try: 1,
  confirmed: 2,
  rejected: 2,
  cancelled: 2,
  cancel_refused: 2,
  confirm: 3,
  cancel: 3,
  captured: 4,
  voided: 4,
  refunded: 4,
  disputed: 4,
  ended: 5,
}

const placing = { money: 'payment', units: 'stock' } as const
const cancelling = { money: 'refund', units: 'restock' } as const

/** What the participants of a saga were asked, under the names that say what for. */
function askedIn(saga: Saga, names: typeof placing | typeof cancelling): readonly HistoryLine[] {
  return timelineOf(saga).map(({ step, ...entry }) => {
    const product = productOf(step)
    return product === undefined
      ? { ...entry, step: names.money }
      : { ...entry, step: names.units, product }
  })
}

function cancellationLines({ cancellation }: Order): readonly HistoryLine[] {
  if (cancellation === undefined) return []
  const { state, askedAt, decidedAt, code } = cancellation
  const asked: HistoryLine = { at: askedAt, step: 'order', action: 'cancel_asked' }
  if (state === 'pending' || decidedAt === null) return [asked]
  const action = state === 'refused' ? 'cancel_refused' : 'cancelled'
  const why = code === null ? {} : { code }
  return [asked, { at: decidedAt, step: 'order', action, ...why }]
}

/** What is known beside the order and the saga that placed it. */
export type Aftermath = {
  /** The saga that cancels it, or would have. */
  readonly cancelling?: Saga | undefined
  readonly money?: readonly MoneyFact[]
}

/** What was done for `order`, in order of time. */
export function historyOf(
  order: Order,
  saga: Saga,
  { cancelling: later, money = [] }: Aftermath = {},
): readonly HistoryLine[] {
  const own: HistoryLine[] = [{ at: order.createdAt, step: 'order', action: 'placed' }]
  if (order.state !== 'pending' && order.decidedAt !== null) {
    const action = order.state === 'rejected' ? 'rejected' : 'confirmed'
    own.push({ at: order.decidedAt, step: 'order', action })
  }
  if (saga.finishedAt !== undefined)
    own.push({ at: saga.finishedAt, step: 'order', action: 'ended' })
  const moved = money.map(({ at, kind, amountMinor }): HistoryLine => {
    return { at, step: 'payment', action: kind, amountMinor }
  })
  return [
    ...own,
    ...askedIn(saga, placing),
    ...cancellationLines(order),
    ...(later === undefined ? [] : askedIn(later, cancelling)),
    ...moved,
  ].toSorted((one, other) => one.at - other.at || ranks[one.action] - ranks[other.action])
}
