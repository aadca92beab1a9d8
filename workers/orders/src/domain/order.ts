import { Fault } from '@stoa/kernel'

import type { PricedLine } from './pricing.ts'

/** What the warehouse says of a line. */
export type Answer = 'reserved' | 'refused'
export type LineState = 'pending' | Answer
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
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Each product once, in the order of their ids. */
  readonly lines: readonly OrderLine[]
}

/** What a line becomes by an answer. The first answer stays, whatever comes after it. */
const lineAfter = {
  pending: { reserved: 'reserved', refused: 'refused' },
  reserved: { reserved: 'reserved', refused: 'reserved' },
  refused: { reserved: 'refused', refused: 'refused' },
} as const satisfies Record<LineState, Record<Answer, LineState>>

/** What an order is by its lines: pending until the last answer, and confirmed when none was refused. */
function stateOf(lines: readonly Pick<OrderLine, 'state'>[]): OrderState {
  if (lines.some(({ state }) => state === 'pending')) return 'pending'
  return lines.some(({ state }) => state === 'refused') ? 'rejected' : 'confirmed'
}

/** A new order: every line waits for the warehouse. */
export function newOrder(
  entry: Omit<Order, 'state' | 'version' | 'lines'> & { readonly lines: readonly PricedLine[] },
): Order {
  const lines = entry.lines
    .map((line): OrderLine => ({ ...line, state: 'pending' }))
    .toSorted((a, b) => (a.product < b.product ? -1 : 1))
  return { ...entry, state: 'pending', version: 1, lines }
}

/**
 * `order` after an answer for one of its lines; `order` itself when the answer says nothing new: a line that was
 * answered before, or a product that was never ordered.
 */
export function answered(
  order: Order,
  { product, answer }: { readonly product: string; readonly answer: Answer },
): Order {
  const line = order.lines.find((each) => each.product === product)
  if (line === undefined || lineAfter[line.state][answer] === line.state) return order
  const state = lineAfter[line.state][answer]
  const lines = order.lines.map((each) => (each === line ? { ...each, state } : each))
  const after = stateOf(lines)
  return { ...order, lines, state: after, version: after === 'pending' ? 1 : 2 }
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
