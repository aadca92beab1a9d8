import { Fault } from '@stoa/kernel'

import type { PricedLine } from './pricing.ts'

/** What the warehouse says of a line; `pending` while it has said nothing. */
export type LineState = 'pending' | 'reserved' | 'refused'
export type OrderState = 'pending' | 'confirmed' | 'rejected' | 'cancelled'

/** That somebody wants a confirmed order cancelled, and what became of it. A refused one can be asked for again. */
export type Cancellation = {
  /** The saga that does it. */
  readonly saga: string
  readonly state: 'pending' | 'cancelled' | 'refused'
  readonly by: 'buyer' | 'operator'
  /** Milliseconds since 1970. */
  readonly askedAt: number
  readonly decidedAt: number | null
  /** Why it was refused. */
  readonly code: string | null
}

/** What money of an order did after it was promised. */
export type MoneyKind = 'captured' | 'voided' | 'refunded' | 'disputed'
export type Money = Readonly<Record<`${MoneyKind}Minor`, number>>

export const noMoney: Money = {
  capturedMinor: 0,
  voidedMinor: 0,
  refundedMinor: 0,
  disputedMinor: 0,
}

export type OrderLine = PricedLine & { readonly state: LineState }

export type Order = {
  readonly id: string
  readonly buyer: string
  readonly cart: string
  readonly state: OrderState
  /** 1 placed, 2 confirmed or rejected, 3 cancelled: the sequence number of the event that tells of it. */
  readonly version: number
  readonly totalMinor: number
  readonly currency: string
  /** Why the payment was refused, or what it waits for. */
  readonly payment: string | null
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly decidedAt: number | null
  /** Absent while nobody wants it cancelled. */
  readonly cancellation?: Cancellation
  /** As far as it is known here; absent while nothing is. */
  readonly money?: Money
  /** Each product once, in the order of their ids. */
  readonly lines: readonly OrderLine[]
}

type Draft = Pick<Order, 'id' | 'buyer' | 'cart' | 'totalMinor' | 'currency' | 'createdAt'> & {
  readonly lines: readonly PricedLine[]
}

/** A new order: nothing is reserved or authorised. */
export function newOrder(entry: Draft): Order {
  const lines = entry.lines
    .map((line): OrderLine => ({ ...line, state: 'pending' }))
    .toSorted((a, b) => (a.product < b.product ? -1 : 1))
  return { ...entry, state: 'pending', version: 1, payment: null, decidedAt: null, lines }
}

/** The products that were refused. */
export function refusedOf({ lines }: Order): readonly string[] {
  return lines.filter(({ state }) => state === 'refused').map(({ product }) => product)
}

/** There is no such order for this caller: another's order is answered like one that never was. */
export class OrderNotFoundError extends Fault {
  override readonly name = 'OrderNotFoundError'
  override readonly code = 'order_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the order: there is none, or it is not yours')
  }
}

/** The order is being placed under this key by another request. */
export class OrderUnderWayError extends Fault {
  override readonly name = 'OrderUnderWayError'
  override readonly code = 'order_under_way'
  override readonly kind = 'aborted'
  override readonly retryable = true
  override readonly retryAfterMs = 1_000

  constructor(options?: ErrorOptions) {
    super('Cannot answer yet: the order is being placed by an earlier request', options)
  }
}

/** Another request is cancelling the order. */
export class CancellationUnderWayError extends Fault {
  override readonly name = 'CancellationUnderWayError'
  override readonly code = 'cancellation_under_way'
  override readonly kind = 'aborted'
  override readonly retryable = true
  override readonly retryAfterMs = 1_000

  constructor(options?: ErrorOptions) {
    super('Cannot cancel the order: another request is at it', options)
  }
}

/** The order has come to an end of another kind, or to this one already. */
export class OrderNotCancellableError extends Fault {
  override readonly name = 'OrderNotCancellableError'
  override readonly code = 'order_not_cancellable'
  override readonly kind = 'failed_precondition'
  readonly state: OrderState

  constructor({ id, state }: Pick<Order, 'id' | 'state'>) {
    super(`Cannot cancel order "${id}": it is ${state}`)
    this.state = state
  }
}
