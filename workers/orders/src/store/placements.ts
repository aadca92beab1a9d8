import { type Call } from '@stoa/kernel'
import { type SagaRunner, type SagaSweep } from '@stoa/transactions'

import { orderIn } from '../domain/cancellation.ts'
import { CartChangedError } from '../domain/cart.ts'
import { OrderUnderWayError } from '../domain/order.ts'
import type { Begun, Placements, Swept } from '../domain/ports.ts'
import { stoppedAt } from './gate.ts'
import { claimSaga, leaseForRequest, runnerOf, runSaga, type SagaDeps } from './order-sagas.ts'
import { placeStatements, underWay } from './placement-rows.ts'

/** Six requests may wait for headers in a Worker; one stays free. */
const shardsAtOnce = 5

async function begin(
  deps: SagaDeps,
  runner: SagaRunner,
  { entry, call }: { readonly entry: Parameters<Placements['begin']>[0]; readonly call: Call },
) {
  const { once, order, saga, closes, events } = entry
  const statements = [
    ...placeStatements(order, { closes, cause: call.requestId }),
    runner.begin(saga),
    leaseForRequest(deps, saga),
  ]
  const work = { keys: [order.id], statements, events }
  try {
    const reply: Begun = underWay(order.id)
    return await deps.access.once.run<Begun>(once, { key: order.buyer, work, reply }, call)
  } catch (error) {
    if (stoppedAt(error, 'cart.version')) throw new CartChangedError({ cause: error })
    throw error
  }
}

/** The orders of sagas, of which some have another id. One round trip each; there are few. */
async function ordersOf(
  runner: SagaRunner,
  sagas: readonly string[],
  call: Call,
): Promise<readonly string[]> {
  const found: string[] = []
  for (const id of sagas) {
    const saga = await runner.read(id, call)
    if (saga !== undefined) found.push(orderIn(saga))
  }
  return found
}

async function sweep(deps: SagaDeps, runner: SagaRunner, call: Call): Promise<Swept> {
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
    stuck: await ordersOf(
      runner,
      swept.flatMap(({ stuck }) => stuck),
      call,
    ),
  }
}

function lost(options: ErrorOptions): Error {
  return new OrderUnderWayError(options)
}

/** Orders on their way, in the databases of the keyspace. */
export function placementStore(deps: SagaDeps): Placements {
  const { access } = deps
  const runner = runnerOf(deps)
  const run: Placements['run'] = (placement, call) => runSaga(deps, { ...placement, lost }, call)
  return {
    run,
    begin: (entry, call) => begin(deps, runner, { entry, call }),
    find: ({ once, member }, call) => access.once.find<Begun>(once, member, call),
    takeUp: async (id, call) => {
      const taken = await claimSaga(deps, { runner, saga: id, order: id }, call)
      if (taken === undefined) return false
      await run(taken, call)
      return true
    },
    read: (id, call) => runner.read(id, call),
    sweep: (call) => sweep(deps, runner, call),
  }
}
