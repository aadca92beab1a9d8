import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { type Call, rootCall, secureRandom, type Statement } from '@stoa/kernel'
import {
  createSagaRunner,
  type Executor,
  type Saga,
  SagaLeaseLostError,
  type SagaMove,
  type SagaRunner,
  type SagaSweep,
} from '@stoa/transactions'

import { CartChangedError } from '../domain/cart.ts'
import { orderDecided } from '../domain/order-events.ts'
import { type Order, OrderUnderWayError } from '../domain/order.ts'
import { orderAfter } from '../domain/placement.ts'
import type { Begun, OrderStore, Placement, Placements, Swept } from '../domain/ports.ts'
import { stoppedAt } from './gate.ts'
import { decideStatements, placeStatements, underWay, waitStatements } from './placement-rows.ts'

/**
 * How long a request has an order for itself: its participants may take 10 s, and then it decides. A repeat of the
 * request that comes later goes on where a dead one left it.
 */
const requestLeaseMs = 15_000

/** Six requests may wait for headers in a Worker; one stays free. */
const shardsAtOnce = 5

export type PlacementDeps = {
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

function claim(id: string, now: number): Statement {
  return {
    sql: `UPDATE saga SET lease_owner = 'request', lease_until = ?, lease_epoch = lease_epoch + 1
WHERE id = ? AND state = 'trying' AND lease_until <= ? RETURNING id`,
    args: [now + requestLeaseMs, id, now],
  }
}

/** What commits with a move of an order's saga: the order's new state and event, and the answer under its key. */
async function commitMove(
  { access: { committer, ids, clock } }: PlacementDeps,
  { saga, to, statements }: SagaMove,
  { orderOf, call }: { readonly orderOf: () => Promise<Order>; readonly call: Call },
): Promise<unknown> {
  if (saga.state !== 'trying') {
    return committer.commit({ keys: [saga.id], statements, events: [] }, call)
  }
  const at = clock.now()
  const order = orderAfter(await orderOf(), { ...saga, state: to }, at)
  const own =
    order.state === 'pending' ? waitStatements(order) : decideStatements(order, call.requestId)
  const events = orderDecided(ids, order, { at, cause: call.requestId })
  const work = { keys: [order.buyer, order.id], statements: [...statements, ...own], events }
  return committer.commit(work, call)
}

/** A runner that knows the order which it runs, or reads each that it takes up. */
function runnerOf(deps: PlacementDeps, known?: Order): SagaRunner {
  const { access, orders, executor, defer, report } = deps
  const orderOf = async (id: string, call: Call): Promise<Order> => {
    const order = known ?? (await orders.get(id, call))
    if (order === undefined) throw new Error(`Cannot place order "${id}": it is not there`)
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
      commitMove(deps, move, { orderOf: () => orderOf(move.saga.id, call), call }),
  })
}

async function begin(
  { access }: PlacementDeps,
  runner: SagaRunner,
  { entry, call }: { readonly entry: Parameters<Placements['begin']>[0]; readonly call: Call },
) {
  const { once, order, saga, closes, events } = entry
  const statements = [
    ...placeStatements(order, { closes, cause: call.requestId }),
    runner.begin(saga),
    leaseUntil(saga, access.clock.now() + requestLeaseMs),
  ]
  const work = { keys: [order.id], statements, events }
  try {
    const reply: Begun = underWay(order.id)
    return await access.once.run<Begun>(once, { key: order.buyer, work, reply }, call)
  } catch (error) {
    if (stoppedAt(error, 'cart.version')) throw new CartChangedError({ cause: error })
    throw error
  }
}

async function run(deps: PlacementDeps, { order, saga }: Placement, call: Call): Promise<Order> {
  const { router } = deps.access
  try {
    const decided = await runnerOf(deps, order).run(saga, call)
    return orderAfter(order, decided, deps.access.clock.now())
  } catch (error) {
    if (error instanceof SagaLeaseLostError) throw new OrderUnderWayError({ cause: error })
    // Whoever asks next need not wait for this one, which gives up.
    const giving = router.write(saga.id, [leaseUntil(saga, 0)], rootCall(call.requestId))
    deps.defer(giving.catch((lost: unknown) => deps.report(lost, call.requestId)))
    throw error
  }
}

async function takeUp(
  deps: PlacementDeps,
  runner: SagaRunner,
  { id, call }: Named,
): Promise<boolean> {
  const { access, orders } = deps
  const [claimed] = await access.router.write(id, [claim(id, access.clock.now())], call)
  if (claimed?.rows.length !== 1) return false
  const [saga, order] = await Promise.all([runner.read(id, call), orders.get(id, call)])
  if (saga === undefined || order === undefined) return false
  await run(deps, { order, saga }, call)
  return true
}

async function sweep(deps: PlacementDeps, runner: SagaRunner, call: Call): Promise<Swept> {
  const swept: SagaSweep[] = []
  const queue = (await deps.access.router.shards(call)).values()
  const workers = Array.from({ length: shardsAtOnce }, async () => {
    for (const shard of queue) {
      // One database that is down must not stop the others.
      const found = await runner.sweep(shard, call).catch((error: unknown) => {
        call.signal.throwIfAborted()
        deps.report(error, call.requestId)
      })
      if (found !== undefined) swept.push(found)
    }
  })
  await Promise.all(workers)
  return {
    taken: swept.reduce((sum, { taken }) => sum + taken, 0),
    finished: swept.reduce((sum, { finished }) => sum + finished, 0),
    stuck: swept.flatMap(({ stuck }) => stuck),
  }
}

type Named = { readonly id: string; readonly call: Call }

/** Orders on their way, in the databases of the keyspace. */
export function placementStore(deps: PlacementDeps): Placements {
  const { access } = deps
  const runner = runnerOf(deps)
  return {
    begin: (entry, call) => begin(deps, runner, { entry, call }),
    find: ({ once, member }, call) => access.once.find<Begun>(once, member, call),
    run: (placement, call) => run(deps, placement, call),
    takeUp: (id, call) => takeUp(deps, runner, { id, call }),
    read: (id, call) => runner.read(id, call),
    sweep: (call) => sweep(deps, runner, call),
  }
}
