import { defineSaga, type Saga, type SagaDefinition, type SagaState } from '@stoa/transactions'

import type { LineState, Order, OrderState } from './order.ts'

/** What a buyer pays with. */
export type PaymentMethod = { readonly token: string }

/** How long an order waits for what is not known, such as an action of the payer, by default. */
export const placementMsDefault = 15 * 60 * 1_000

/** The step of an order's money. */
export const paymentStep = 'payment'

/** The step of a product's units. */
export function stockStep(product: string): string {
  return `stock-${product}`
}

/** The product of a step; none of the payment's. */
export function productOf(step: string): string | undefined {
  return step === paymentStep ? undefined : step.slice('stock-'.length)
}

/**
 * How `order` is placed: all stock and the payment are tried at once, then kept or given back. The payment is first,
 * because it takes longest; an order that costs nothing has none.
 */
export function placementOf(
  order: Order,
  { method, deadlineMs }: { readonly method: PaymentMethod; readonly deadlineMs: number },
): SagaDefinition<Order> {
  const pays = {
    name: paymentStep,
    try: 'payment',
    confirm: 'payment',
    cancel: 'payment',
    request: ({ id, buyer, totalMinor, currency }: Order) => {
      return { order: id, buyer, amountMinor: totalMinor, currency, method }
    },
  }
  const reserves = order.lines.map(({ product, quantity }) => ({
    name: stockStep(product),
    try: 'stock',
    confirm: 'stock',
    cancel: 'stock',
    request: ({ id }: Order) => ({ order: id, product, quantity }),
  }))
  const stage = order.totalMinor === 0 ? reserves : [pays, ...reserves]
  return defineSaga({ kind: 'place_order', deadlineMs, stages: [stage] })
}

const orderStates: Readonly<Record<SagaState, OrderState>> = {
  trying: 'pending',
  confirming: 'confirmed',
  done: 'confirmed',
  cancelling: 'rejected',
  cancelled: 'rejected',
}

function lineStateOf(saga: Saga, product: string): LineState {
  const step = saga.steps.find(({ name }) => name === stockStep(product))
  const outcome = step?.progress.try?.outcome
  if (outcome === 'done') return 'reserved'
  return outcome === 'refused' ? 'refused' : 'pending'
}

/** Why the payment is not authorised; null when it is, or when the order fails for want of stock alone. */
function paymentOf(saga: Saga, isMissing: boolean): string | null {
  const tried = saga.steps.find(({ name }) => name === paymentStep)?.progress.try
  if (tried === undefined || tried.outcome === 'done') return null
  if (isMissing && tried.outcome !== 'refused') return null
  return tried.code ?? tried.outcome
}

/** `order` by what is known of its saga at `now`. */
export function orderAfter(order: Order, saga: Saga, now: number): Order {
  const state = orderStates[saga.state]
  const lines = order.lines.map((line) => ({ ...line, state: lineStateOf(saga, line.product) }))
  const isMissing = state === 'rejected' && lines.some((line) => line.state === 'refused')
  const about = { ...order, state, lines, payment: paymentOf(saga, isMissing) }
  return state === 'pending' ? about : { ...about, version: 2, decidedAt: now }
}
