import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { type Call, rootCall, secureRandom, type Statement } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'
import {
  createSagaRunner,
  type Executor,
  type Saga,
  SagaLeaseLostError,
  type SagaMove,
  type SagaRunner,
} from '@stoa/transactions'

import { isCancellation, orderAfterCancelling, orderIn } from '../domain/cancellation.ts'
import { orderDecided } from '../domain/order-events.ts'
import type { Order } from '../domain/order.ts'
import { orderAfter } from '../domain/placement.ts'
import type { OrderStore, Placement } from '../domain/ports.ts'
import { endStatements, keepPending } from './cancellation-rows.ts'
import { decideStatements, waitStatements } from './placement-rows.ts'

/**
 * How long a request has an order for itself: its participants may take 10 s, and then it decides. A repeat of the
 * request that comes later goes on where a dead one left it.
 */
const requestLeaseMs = 15_000

export type SagaDeps = {
  readonly access: KeyspaceAccess
  readonly orders: Pick<OrderStore, 'get'>
  readonly executor: Executor
  defer(this: void, work: Promise<unknown>): void
  report(this: void, error: unknown, requestId: string): void
}

function leaseUntil(saga: Saga, until: number): Statement {
  return {
    sql: 'UPDATE saga SET lease_until = ? WHERE id = ? AND lease_epoch = ?',
    args: [until, saga.id, saga.leaseEpoch],
  }
}

/** A request has the saga that it has just begun for so long. */
export function leaseForRequest({ access }: SagaDeps, saga: Saga): Statement {
  return leaseUntil(saga, access.clock.now() + requestLeaseMs)
}

function claim(id: string, now: number): Statement {
  return {
    sql: `UPDATE saga SET lease_owner = 'request', lease_until = ?, lease_epoch = lease_epoch + 1
WHERE id = ? AND state = 'trying' AND lease_until <= ? RETURNING id`,
    args: [now + requestLeaseMs, id, now],
  }
}

/** `order` by what is known of one of its sagas. */
function orderBy(order: Order, saga: Saga, now: number): Order {
  return isCancellation(saga)
    ? orderAfterCancelling(order, saga, now)
    : orderAfter(order, saga, now)
}

type Said = { readonly statements: readonly Statement[]; readonly events: readonly StoaEvent[] }

/** What an order has to say to a move of its saga out of `trying`, or to the wait for one. */
function saidTo(
  { access: { ids, clock } }: SagaDeps,
  { order, saga }: Placement,
  call: Call,
): Said {
  const cause = call.requestId
  const tell = () => orderDecided(ids, order, { at: clock.now(), cause })
  if (!isCancellation(saga)) {
    const isWaiting = order.state === 'pending'
    const statements = isWaiting ? waitStatements(order) : decideStatements(order, cause)
    return { statements, events: tell() }
  }
  if (saga.state === 'trying') return { statements: keepPending(order), events: [] }
  // Of an order that stays as it was there is nothing to tell.
  const events = order.state === 'cancelled' ? tell() : []
  return { statements: endStatements(order, cause), events }
}

/** What commits with a move of an order's saga: the order's new state and event, and the answer under its key. */
async function commitMove(
  deps: SagaDeps,
  { saga, to, statements }: SagaMove,
  { orderOf, call }: { readonly orderOf: () => Promise<Order>; readonly call: Call },
): Promise<unknown> {
  const { committer, clock } = deps.access
  if (saga.state !== 'trying')
    return committer.commit({ keys: [saga.id], statements, events: [] }, call)
  const moved = { ...saga, state: to }
  const order = orderBy(await orderOf(), moved, clock.now())
  const said = saidTo(deps, { order, saga: moved }, call)
  const keys = [order.buyer, order.id, saga.id]
  const work = { keys, statements: [...statements, ...said.statements], events: said.events }
  return committer.commit(work, call)
}

/** A runner that knows the order which it runs, or reads each that it takes up. */
export function runnerOf(deps: SagaDeps, known?: Order): SagaRunner {
  const { access, orders, executor, defer, report } = deps
  const orderOf = async (saga: Saga, call: Call): Promise<Order> => {
    const order = known ?? (await orders.get(orderIn(saga), call))
    if (order === undefined) throw new Error(`Cannot run saga "${saga.id}": its order is not there`)
    return order
  }
  return createSagaRunner({
    keyspace: access.router,
    executor,
    clock: access.clock,
    random: secureRandom,
    defer,
    report,
    commit: (move, call) =>
      commitMove(deps, move, { orderOf: () => orderOf(move.saga, call), call }),
  })
}

/** Brings a saga to its decision, or to the wait for it. @throws what `lost` makes when somebody else has it. */
export async function runSaga(
  deps: SagaDeps,
  { order, saga, lost }: Placement & { readonly lost: (options: ErrorOptions) => Error },
  call: Call,
): Promise<Order> {
  const { router, clock } = deps.access
  try {
    const decided = await runnerOf(deps, order).run(saga, call)
    return orderBy(order, decided, clock.now())
  } catch (error) {
    if (error instanceof SagaLeaseLostError) throw lost({ cause: error })
    // Whoever asks next need not wait for this one, which gives up.
    const giving = router.write(saga.id, [leaseUntil(saga, 0)], rootCall(call.requestId))
    deps.defer(giving.catch((failed: unknown) => deps.report(failed, call.requestId)))
    throw error
  }
}

/** A saga without a decision that nobody works on, with its order; it is this request's now. Two round trips. */
export async function claimSaga(
  { access, orders }: SagaDeps,
  {
    runner,
    saga: id,
    order: orderId,
  }: { readonly runner: SagaRunner; readonly saga: string; readonly order: string },
  call: Call,
): Promise<Placement | undefined> {
  const [claimed] = await access.router.write(id, [claim(id, access.clock.now())], call)
  if (claimed?.rows.length !== 1) return undefined
  const [saga, order] = await Promise.all([runner.read(id, call), orders.get(orderId, call)])
  return saga === undefined || order === undefined ? undefined : { saga, order }
}
