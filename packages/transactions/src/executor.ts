import { type Call, isFault } from '@stoa/kernel'

import type { Outcome } from './barrier.ts'
import type { Request, StepAction } from './saga.ts'

/** One action of one step, to be asked of its participant. */
export type StepOperation = {
  /** The global transaction: the saga's id. */
  readonly gid: string
  readonly branch: string
  readonly action: StepAction
  /** What the definition names it. */
  readonly target: string
  readonly request: Request
}

/**
 * What a participant says. `done` and `refused` are final. `pending`: it has been asked and does not know yet, as a
 * payment provider that did not answer: it is asked again.
 */
export type Verdict =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'refused'; readonly code: string }
  | { readonly outcome: 'pending'; readonly code?: string }

/** How a saga reaches its participants. */
export type Executor = {
  /**
   * Runs `operation`. It must bear being asked twice, late and at once, and a cancel before its try: a barrier does.
   *
   * A {@link Fault} that is not retryable refuses a try; any other leaves it unknown, and it is asked again.
   */
  execute(operation: StepOperation, call: Call): Promise<Verdict>
}

/** The verdict for what a barrier made of an operation: a try that came after its cancel is refused. */
export function verdictOf(outcome: Outcome): Verdict {
  return outcome === 'hanging' ? { outcome: 'refused', code: 'hanging' } : { outcome: 'done' }
}

export type Answer = { readonly outcome: Verdict['outcome'] | 'failed'; readonly code?: string }

/** Asks, and reads the answer as a saga must: after the decision nothing can be refused any more, only fail. */
export async function ask(
  executor: Executor,
  operation: StepOperation,
  call: Call,
): Promise<Answer> {
  const isTry = operation.action === 'try'
  try {
    const verdict = await executor.execute(operation, call)
    return verdict.outcome === 'refused' && !isTry ? { ...verdict, outcome: 'failed' } : verdict
  } catch (error) {
    if (!isFault(error)) throw error
    return { outcome: isTry && !error.retryable ? 'refused' : 'failed', code: error.code }
  }
}
