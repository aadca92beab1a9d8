import { defineSaga, type Saga, type SagaDefinition, type SagaState } from '@stoa/transactions'

import type { Cancellation, Order } from './order.ts'
import { paymentStep, stockStep } from './placement.ts'

/** How long a cancellation may look for its participants, which are services of our own; then the order stays. */
export const cancellationMs = 5 * 60 * 1_000

const kind = 'cancel_order'

export function isCancellation(saga: Pick<Saga, 'kind'>): boolean {
  return saga.kind === kind
}

/** The order of a saga: one that cancels names it in each step, one that places has its id. */
export function orderIn({ id, kind: is, steps }: Saga): string {
  return is === kind ? String(steps[0]?.request['order']) : id
}

/**
 * How `order` is cancelled. Tried: its money is taken no further, and its units are seen to be there. Confirmed: the money
 * goes back and the units are free. Undone: the money may be taken again; of the units nothing has changed.
 */
export function cancellationOf(order: Order): SagaDefinition<Order> {
  const returns = {
    name: paymentStep,
    try: 'return',
    confirm: 'return',
    cancel: 'return',
    request: ({ id }: Order) => ({ order: id }),
  }
  const restocks = order.lines.map(({ product, quantity }) => ({
    name: stockStep(product),
    try: 'restock',
    confirm: 'restock',
    cancel: undefined,
    request: ({ id }: Order) => ({ order: id, product, quantity }),
  }))
  const stage = order.totalMinor === 0 ? restocks : [returns, ...restocks]
  return defineSaga({ kind, deadlineMs: cancellationMs, stages: [stage] })
}

const states: Readonly<Record<SagaState, Cancellation['state']>> = {
  trying: 'pending',
  confirming: 'cancelled',
  done: 'cancelled',
  cancelling: 'refused',
  cancelled: 'refused',
}

/** Why a saga could not cancel: the first participant that said no, or did not answer in time. */
function codeOf({ steps }: Saga): string {
  const tried = steps.flatMap(({ progress }) => progress.try ?? [])
  const said =
    tried.find(({ outcome }) => outcome === 'refused') ??
    tried.find(({ outcome }) => outcome !== 'done')
  return said?.code ?? said?.outcome ?? 'deadline'
}

/** `order` by what is known at `now` of the saga that cancels it. */
export function orderAfterCancelling(order: Order, saga: Saga, now: number): Order {
  const { cancellation } = order
  if (cancellation === undefined) throw new Error(`Cannot cancel order "${order.id}": nobody asked`)
  const state = states[saga.state]
  if (state === 'pending') return { ...order, cancellation: { ...cancellation, state } }
  const code = state === 'refused' ? codeOf(saga) : null
  const decided = { ...cancellation, state, decidedAt: now, code }
  return state === 'refused'
    ? { ...order, cancellation: decided }
    : { ...order, state: 'cancelled', version: 3, cancellation: decided }
}
