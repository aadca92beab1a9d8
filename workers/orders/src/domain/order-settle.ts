import { type Call, type Clock, Fault, type Ids } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'

import { orderDecided } from './order-events.ts'
import { type Answer, answered, type Order } from './order.ts'
import type { OrderStore } from './ports.ts'

/** How often a delivery is decided anew when others answer lines of the same orders; then the queue brings it again. */
const triesMax = 10

/** Other answers for the same order were written since it was read. Nothing was written. */
export class StaleOrderError extends Fault {
  override readonly name = 'StaleOrderError'
  override readonly code = 'stale_order'
  override readonly kind = 'aborted'
  override readonly retryable = true
  /** The race is over by then; the queue's own first wait is far longer. */
  override readonly retryAfterMs = 1_000

  constructor(options?: ErrorOptions) {
    super('Cannot settle the order: it has changed since it was read', options)
  }
}

/** An answer for an order that cannot be seen: the queue brings it again, and nothing is lost. */
export class OrderUnknownError extends Fault {
  override readonly name = 'OrderUnknownError'
  override readonly code = 'order_unknown'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  readonly order: string

  constructor(order: string) {
    super(`Cannot settle order "${order}": it is not there`)
    this.order = order
  }
}

/** What the warehouse says, and the event that says it. */
export type StockAnswer = {
  readonly event: StoaEvent
  readonly order: string
  readonly product: string
  readonly answer: Answer
}

/** One answer applied: `after` is `before` itself when the answer says nothing new. */
export type Step = {
  readonly answer: StockAnswer
  readonly before: Order
  readonly after: Order
  readonly events: readonly StoaEvent[]
}

type Deps = { readonly orders: OrderStore; readonly ids: Ids; readonly clock: Clock }

/** The steps of `answers`, each decided on what the steps before it leave. */
export function stepsOf(
  { ids, clock }: Pick<Deps, 'ids' | 'clock'>,
  orders: ReadonlyMap<string, Order>,
  answers: readonly StockAnswer[],
): readonly Step[] {
  const current = new Map(orders)
  return answers.flatMap((answer): readonly Step[] => {
    const before = current.get(answer.order)
    if (before === undefined) return []
    const after = answered(before, answer)
    current.set(answer.order, after)
    const occasion = { at: clock.now(), cause: answer.event.id }
    return [
      { answer, before, after, events: after === before ? [] : orderDecided(ids, after, occasion) },
    ]
  })
}

/**
 * Applies answers of the warehouse, each once however often, late or reordered it comes; the answer that leaves no
 * line pending decides its order, and says so once.
 *
 * Deciding is pure and on what was read; the write holds only while that is still so, else it is decided anew.
 *
 * @throws OrderUnknownError, StaleOrderError: the queue then brings all again; what was applied stays applied.
 */
export async function settle(
  deps: Deps,
  delivered: readonly StockAnswer[],
  call: Call,
): Promise<void> {
  // A delivery may hold an event twice: its second step would say nothing, and must not stand for the first.
  const answers = [...new Map(delivered.map((each) => [each.event.id, each])).values()]
  const distinct = [...new Set(answers.map(({ order }) => order))]
  for (let tries = 1; ; tries += 1) {
    const orders = await deps.orders.getMany(distinct, call)
    try {
      await deps.orders.settle(stepsOf(deps, orders, answers), call)
    } catch (error) {
      if (error instanceof StaleOrderError && tries < triesMax) continue
      throw error
    }
    const unknown = distinct.find((order) => !orders.has(order))
    if (unknown !== undefined) throw new OrderUnknownError(unknown)
    return
  }
}
