import { Fault } from '@stoa/kernel'

import type { PricedLine } from './pricing.ts'

/** What the warehouse says of a line; `pending` while it has said nothing. */
export type LineState = 'pending' | 'reserved' | 'refused'
export type OrderState = 'pending' | 'confirmed' | 'rejected'

export type OrderLine = PricedLine & { readonly state: LineState }

export type Order = {
  readonly id: string
  readonly buyer: string
  readonly cart: string
  readonly state: OrderState
  /** 1 placed, 2 confirmed or rejected: the sequence number of the event that tells of it. */
  readonly version: number
  readonly totalMinor: number
  readonly currency: string
  /** Why the payment was refused, or what it waits for. */
  readonly payment: string | null
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly decidedAt: number | null
  /** Each product once, in the order of their ids. */
  readonly lines: readonly OrderLine[]
}

type Draft = Omit<Order, 'state' | 'version' | 'payment' | 'decidedAt' | 'lines'> & {
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
