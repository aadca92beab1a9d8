import { CancellationUnderWayError, OrderUnderWayError } from '../domain/order.ts'
import type { Begun, Cancellations } from '../domain/ports.ts'
import { askStatements } from './cancellation-rows.ts'
import { stoppedAt } from './gate.ts'
import { claimSaga, leaseForRequest, runnerOf, runSaga, type SagaDeps } from './order-sagas.ts'
import { underWay } from './placement-rows.ts'

function lost(options: ErrorOptions): Error {
  return new CancellationUnderWayError(options)
}

/** Orders on their way back. Whoever sweeps orders goes on with them too. */
export function cancellationStore(deps: SagaDeps): Cancellations {
  const { once: onces } = deps.access
  const runner = runnerOf(deps)
  const run: Cancellations['run'] = (cancelling, call) =>
    runSaga(deps, { ...cancelling, lost }, call)
  return {
    run,
    begin: async (once, { order, saga }, call) => {
      const statements = [
        ...askStatements(order, call.requestId),
        runner.begin(saga),
        leaseForRequest(deps, saga),
      ]
      const work = { keys: [order.id, saga.id], statements, events: [] }
      const reply: Begun = underWay(saga.id)
      try {
        return await onces.run<Begun>(once, { key: order.id, work, reply }, call)
      } catch (error) {
        if (stoppedAt(error, 'order_head.version')) throw new OrderUnderWayError({ cause: error })
        if (stoppedAt(error, 'order_cancellation.saga')) throw lost({ cause: error })
        throw error
      }
    },
    find: (once, order, call) => onces.find<Begun>(once, order, call),
    takeUp: async (which, call) => {
      const taken = await claimSaga(deps, { runner, ...which }, call)
      if (taken === undefined) return false
      await run(taken, call)
      return true
    },
  }
}
