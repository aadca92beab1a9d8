/** What is asked of a participant: plain data that survives JSON. */
export type Request = Readonly<Record<string, unknown>>

/** The three parts of a step. A step of a plain saga has no confirm: its try is the work itself. */
export type StepAction = 'try' | 'confirm' | 'cancel'

/** A step: what it does, and beside it how that is confirmed and undone. The texts name operations to the executor. */
export type StepPlan<Input> = {
  /** The branch; distinct within the saga. */
  readonly name: string
  readonly try: string
  readonly confirm?: string
  /** `undefined` only where nothing is to be undone: it must be said. */
  readonly cancel: string | undefined
  /** What all three are asked with, made once and kept. */
  readonly request: (input: Input) => Request
}

/** A kind of saga, as data. Steps of one stage are tried at once, stages one after another. */
export type SagaDefinition<Input> = {
  readonly kind: string
  /** Milliseconds from the beginning to the moment when what has not been tried is given up. */
  readonly deadlineMs: number
  readonly stages: readonly (readonly StepPlan<Input>[])[]
}

/** `trying` has no decision yet; the two in the middle have one and will end; the last two have ended. */
export type SagaState = 'trying' | 'confirming' | 'cancelling' | 'done' | 'cancelled'

/** How one action of one step stands. `failed` and `pending` are tried again. */
export type Progress = {
  readonly outcome: 'done' | 'refused' | 'pending' | 'failed'
  /** Milliseconds since 1970, of the last attempt. */
  readonly at: number
  readonly attempts: number
  /** Why it was refused or failed. */
  readonly code?: string
}

/** A step of a saga that runs. It holds all that is needed to end it, whatever the definition says by then. */
export type SagaStep = {
  readonly name: string
  readonly stage: number
  readonly actions: { readonly [Action in StepAction]?: string }
  readonly request: Request
  readonly progress: { readonly [Action in StepAction]?: Progress }
}

/** One saga: its decision row. */
export type Saga = {
  readonly id: string
  readonly kind: string
  readonly state: SagaState
  readonly version: number
  readonly steps: readonly SagaStep[]
  readonly deadline: number
  /** Rounds since the last change of state that did not end it. */
  readonly attempts: number
  readonly leaseEpoch: number
  readonly createdAt: number
  readonly finishedAt: number | undefined
  readonly lastError: string | undefined
}

/** `definition` itself. @throws RangeError when it has no step, two of one name, or no time. */
export function defineSaga<Input>(definition: SagaDefinition<Input>): SagaDefinition<Input> {
  const names = definition.stages.flat().map(({ name }) => name)
  const isSound =
    names.length > 0 && new Set(names).size === names.length && definition.deadlineMs > 0
  if (!isSound) throw new RangeError(`Cannot define saga "${definition.kind}": see its steps`)
  return definition
}

/** A saga that has not begun. Its id is `id`, 20 characters, whose key says where its row lies. */
export function newSaga<Input>(
  definition: SagaDefinition<Input>,
  input: Input,
  { id, now }: { readonly id: string; readonly now: number },
): Saga {
  const steps = definition.stages.flatMap((stage, index) =>
    stage.map(({ name, request, try: tries, confirm, cancel }): SagaStep => {
      const actions = {
        try: tries,
        ...(confirm === undefined ? {} : { confirm }),
        ...(cancel === undefined ? {} : { cancel }),
      }
      return { name, stage: index, actions, request: request(input), progress: {} }
    }),
  )
  return {
    id,
    kind: definition.kind,
    state: 'trying',
    version: 1,
    steps,
    deadline: now + definition.deadlineMs,
    attempts: 0,
    leaseEpoch: 1,
    createdAt: now,
    finishedAt: undefined,
    lastError: undefined,
  }
}

const actions: Readonly<Record<SagaState, StepAction | undefined>> = {
  trying: 'try',
  confirming: 'confirm',
  cancelling: 'cancel',
  done: undefined,
  cancelled: undefined,
}

/** What a saga in `state` does with its steps; `undefined` when it has ended. */
export function actionOf(state: SagaState): StepAction | undefined {
  return actions[state]
}

/** Whether `step` has nothing left to do of `action`. */
export function isSettled(step: SagaStep, action: StepAction): boolean {
  return step.actions[action] === undefined || step.progress[action]?.outcome === 'done'
}

/**
 * Where a saga goes from what is known of its steps at `now`; its own state when nothing is decided. Pure: the row
 * decides whether the move wins.
 *
 * Every step is cancelled, also one that was not tried as far as is known: a try that is still under way, or a runner
 * that does not know yet, then finds its place taken.
 */
export function nextState(saga: Saga, now: number): SagaState {
  const action = actionOf(saga.state)
  if (action === undefined) return saga.state
  const isDone = saga.steps.every((step) => isSettled(step, action))
  if (action === 'confirm') return isDone ? 'done' : 'confirming'
  if (action === 'cancel') return isDone ? 'cancelled' : 'cancelling'
  if (isDone) return 'confirming'
  const isRefused = saga.steps.some((step) => step.progress.try?.outcome === 'refused')
  return isRefused || now >= saga.deadline ? 'cancelling' : 'trying'
}

/** One line of a saga's history, as far as it has been written down. */
export type TimelineEntry = Progress & { readonly step: string; readonly action: StepAction }

/** What each step did, in order of time: the last attempt of each action, with their number. */
export function timelineOf(saga: Saga): readonly TimelineEntry[] {
  const order: readonly StepAction[] = ['try', 'confirm', 'cancel']
  return saga.steps
    .flatMap((step) =>
      order.flatMap((action) => {
        const progress = step.progress[action]
        return progress === undefined ? [] : [{ step: step.name, action, ...progress }]
      }),
    )
    .toSorted((one, other) => one.at - other.at)
}
