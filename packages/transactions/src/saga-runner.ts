import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  Fault,
  isFault,
  type Random,
  rootCall,
  SqlConstraintError,
  type SqlShard,
  type Statement,
  within,
} from '@stoa/kernel'
import { inWaves, type Router } from '@stoa/sharding'

import { newToken } from './branches.ts'
import { ask, type Executor } from './executor.ts'
import { claimSagas, insertSaga, sagasFrom, selectSaga, updateSaga } from './saga-rows.ts'
import {
  actionOf,
  isSettled,
  nextState,
  type Progress,
  type Saga,
  type SagaState,
  type SagaStep,
  type StepAction,
} from './saga.ts'

/** How long a saga is its runner's alone. A runner that is slower loses nothing but its turn. */
const leaseMs = 60_000
/** How long one action of one step may take. */
const actionMs = 10_000
/** Six requests may wait for headers in a Worker; one stays free. */
const stepsAtOnce = 5
/** The first wait before a saga that could not go on is taken up again; each next one is twice as long, to the most. */
const retryMs = 1_000
const retryMaxMs = 300_000
/** The most sagas that one sweep of a database takes at a time: what it can drive within the lease. */
const claimMax = 20
/** After so many rounds without an end somebody should look. */
const stuckAfter = 3

/** Somebody else runs the saga by now, or it has moved on. Nothing was written. */
export class SagaLeaseLostError extends Fault {
  override readonly name = 'SagaLeaseLostError'
  override readonly code = 'saga_lease_lost'
  override readonly kind = 'aborted'
  constructor(id: string, options?: ErrorOptions) {
    super(`Cannot move saga "${id}" on: it is not this runner's`, options)
  }
}

export type SagaRunnerDeps = {
  readonly keyspace: Pick<Router, 'read' | 'write'>
  readonly executor: Executor
  readonly clock: Clock
  readonly random: Random
  /** Keeps the isolate alive for work after the answer. */
  defer(work: Promise<unknown>): void
  report(error: unknown, requestId: string): void
  /**
   * Commits a move of a saga, all of `move.statements` in one batch, and with them what the business has to say to it:
   * its rows and events. Default: the statements alone. It may be called again for a move whose reply was lost; the
   * batch then aborts.
   */
  commit?(move: SagaMove, call: Call): Promise<unknown>
}

/** A change of a saga's row that is to be committed. */
export type SagaMove = {
  /** As it is before the move, with what is known of its steps. */
  readonly saga: Saga
  /** Where it goes; its own state when it only waits for its turn. */
  readonly to: SagaState
  readonly statements: readonly Statement[]
}

export type SagaSweep = {
  readonly taken: number
  readonly finished: number
  /** Sagas that have been taken up three times or more since their last change, and have not ended. */
  readonly stuck: readonly string[]
}

export type SagaRunner = {
  /** The row of a new saga, for the batch of the caller's own; then `run` it. */
  begin(saga: Saga): Statement
  /**
   * Tries the steps and decides: one round trip for each stage and one for the decision. Confirms or cancels after the
   * answer. What cannot be decided now is taken up by a sweep; `state` tells which it is.
   *
   * @throws SagaLeaseLostError, AmbiguousWriteError: the saga goes its way without this runner.
   */
  run(saga: Saga, call: Call): Promise<Saga>
  /** Takes up sagas that are due, at most 20, and drives each to its end as far as it gets. */
  sweep(shard: SqlShard, call: Call): Promise<SagaSweep>
  /** One round trip. */
  read(id: string, call: Call): Promise<Saga | undefined>
}

/** Does `work` on all items, at most five at once; the next begins as soon as one has ended. */
async function pooled<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const workers = Array.from({ length: stepsAtOnce }, async () => {
    for (const item of queue) await work(item)
  })
  await Promise.all(workers)
}

function isFinished(saga: Saga): boolean {
  return actionOf(saga.state) === undefined
}

/** How long a saga waits after `attempts` rounds that did not end it, in milliseconds. */
function backOffMs(attempts: number): number {
  return Math.min(retryMs * 2 ** Math.min(attempts, 20), retryMaxMs)
}

/** The stages of `saga` in the order of `action`: what was tried last, and may still fail, is confirmed and undone first. */
function stagesOf(saga: Saga, action: StepAction): readonly number[] {
  const stages = [...new Set(saga.steps.map(({ stage }) => stage))].toSorted((a, b) => a - b)
  return action === 'try' ? stages : stages.toReversed()
}

function withProgress(saga: Saga, name: string, [action, progress]: [StepAction, Progress]): Saga {
  const steps = saga.steps.map((step) =>
    step.name === name ? { ...step, progress: { ...step.progress, [action]: progress } } : step,
  )
  return { ...saga, steps }
}

class Runner implements SagaRunner {
  readonly #deps: SagaRunnerDeps
  readonly #owner: string

  constructor(deps: SagaRunnerDeps) {
    this.#deps = deps
    this.#owner = newToken(deps.random)
  }

  #lease() {
    return { owner: this.#owner, now: this.#deps.clock.now(), leaseMs }
  }

  begin(saga: Saga): Statement {
    return insertSaga(saga, this.#lease())
  }

  async read(id: string, call: Call): Promise<Saga | undefined> {
    const rows = await this.#deps.keyspace.read(id, selectSaga(id), call)
    return sagasFrom(rows)[0]
  }

  async run(saga: Saga, call: Call): Promise<Saga> {
    const decided = await this.#step(saga, call)
    if (decided.state === 'confirming' || decided.state === 'cancelling') {
      const ending = this.#drive(decided, rootCall(call.requestId)).catch((error: unknown) =>
        this.#deps.report(error, call.requestId),
      )
      this.#deps.defer(ending)
    }
    return decided
  }

  async sweep(shard: SqlShard, call: Call): Promise<SagaSweep> {
    const [rows] = await shard.batch([claimSagas(this.#lease(), claimMax)], 'write', call)
    const taken = rows === undefined ? [] : sagasFrom(rows)
    const ended: Saga[] = []
    await inWaves(taken, async (saga) => {
      try {
        ended.push(await this.#drive(saga, call))
      } catch (error) {
        call.signal.throwIfAborted()
        this.#deps.report(error, call.requestId)
      }
    })
    return {
      taken: taken.length,
      finished: ended.filter(isFinished).length,
      stuck: ended
        .filter((saga) => !isFinished(saga) && saga.attempts >= stuckAfter)
        .map(({ id }) => id),
    }
  }

  /** Goes on until the saga has ended, or cannot go on now. */
  async #drive(saga: Saga, call: Call): Promise<Saga> {
    let now = saga
    for (;;) {
      const next = await this.#step(now, call)
      if (next.state === now.state || actionOf(next.state) === undefined) return next
      now = next
    }
  }

  /** Does what the state asks for, and writes where that leads: the next state, or when to try again. */
  async #step(saga: Saga, call: Call): Promise<Saga> {
    const { clock } = this.#deps
    const action = actionOf(saga.state)
    if (action === undefined) return saga
    const isLate = action === 'try' && clock.now() >= saga.deadline
    const worked = isLate ? saga : await this.#work(saga, action, call)
    const now = clock.now()
    const to = nextState(worked, now)
    const isMoved = to !== saga.state
    const attempts = isMoved ? 0 : saga.attempts + 1
    const wake = now + backOffMs(saga.attempts)
    const change = {
      to,
      steps: worked.steps,
      attempts,
      now,
      nextAt: isMoved ? now : action === 'try' ? Math.min(wake, saga.deadline) : wake,
      released: !isMoved,
      error: errorOf(worked, action),
    }
    await this.#write({ saga: worked, to, statements: [updateSaga(saga, change)] }, call)
    const finishedAt = actionOf(to) === undefined ? now : undefined
    const version = saga.version + 1
    return { ...worked, state: to, version, attempts, finishedAt, lastError: change.error }
  }

  /** Asks every step that has not done `action` yet, stage by stage; stops where a stage did not succeed wholly. */
  async #work(saga: Saga, action: StepAction, call: Call): Promise<Saga> {
    let worked = saga
    for (const stage of stagesOf(saga, action)) {
      const steps = saga.steps.filter((step) => step.stage === stage && !isSettled(step, action))
      await pooled(steps, async (step) => {
        const progress = await this.#ask(saga, [step, action], call)
        worked = withProgress(worked, step.name, [action, progress])
      })
      const isThrough = worked.steps.every(
        (step) => step.stage !== stage || isSettled(step, action),
      )
      if (action === 'try' && !isThrough) break
    }
    return worked
  }

  async #ask(saga: Saga, [step, action]: [SagaStep, StepAction], call: Call): Promise<Progress> {
    const { executor, clock } = this.#deps
    const operation = {
      gid: saga.id,
      branch: step.name,
      action,
      target: step.actions[action] ?? '',
      request: step.request,
    }
    const answer = await ask(executor, operation, within(call, actionMs, clock))
    const attempts = (step.progress[action]?.attempts ?? 0) + 1
    return { ...answer, at: clock.now(), attempts }
  }

  /** Writes, and finds out what became of it when the reply is lost: the same again is refused if it happened. */
  async #write(move: SagaMove, call: Call): Promise<void> {
    const { saga, to, statements } = move
    const { keyspace } = this.#deps
    const send = async (): Promise<unknown> =>
      this.#deps.commit?.(move, call) ?? keyspace.write(saga.id, statements, call)
    let lost: AmbiguousWriteError | undefined
    try {
      await send().catch((error: unknown) => {
        if (!(error instanceof AmbiguousWriteError)) throw error
        lost = error
        return send()
      })
    } catch (error) {
      if (!isStale(error)) throw lost !== undefined && isFault(error) ? lost : error
      const found = lost === undefined ? undefined : await this.read(saga.id, call)
      const isOurs = found?.version === saga.version + 1 && found.leaseEpoch === saga.leaseEpoch
      if (!isOurs || found.state !== to) throw new SagaLeaseLostError(saga.id, { cause: error })
    }
  }
}

function isStale(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.constraint === 'saga.state'
}

function errorOf(saga: Saga, action: StepAction): string | undefined {
  const failed = saga.steps.find((step) => (step.progress[action]?.outcome ?? 'done') !== 'done')
  return failed === undefined
    ? undefined
    : `${failed.name}: ${failed.progress[action]?.code ?? failed.progress[action]?.outcome ?? ''}`
}

/**
 * Runs sagas of one keyspace. Each has one row, and the one change of its state that wins there is the decision: what
 * is heard after it counts no more.
 */
export function createSagaRunner(deps: SagaRunnerDeps): SagaRunner {
  return new Runner(deps)
}
