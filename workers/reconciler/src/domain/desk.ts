import { type Call, Fault } from '@stoa/kernel'
import { type Desk, type Discrepancy, StaleDiscrepancyError } from '@stoa/reconciliation'

/** There is no such discrepancy. */
export class DiscrepancyNotFoundError extends Fault {
  override readonly name = 'DiscrepancyNotFoundError'
  override readonly code = 'discrepancy_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the discrepancy: there is none of this id')
  }
}

/** There is no such run. */
export class RunNotFoundError extends Fault {
  override readonly name = 'RunNotFoundError'
  override readonly code = 'run_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the run: there is none of this id')
  }
}

/** Nothing is compared under this name. */
export class UnknownComparisonError extends Fault {
  override readonly name = 'UnknownComparisonError'
  override readonly code = 'unknown_comparison'
  override readonly kind = 'invalid_argument'

  constructor(name: string, known: readonly string[]) {
    super(`Cannot compare "${name}": there are ${known.join(', ')}`)
  }
}

/**
 * Does what a person has asked of a discrepancy, and answers the same when it is asked again because the answer was
 * lost: the row then says what was asked, one version on, by the same person.
 *
 * @throws DiscrepancyNotFoundError, and as the desk does.
 */
export async function doOnce(
  desk: Desk,
  {
    id,
    version,
    isDone,
    work,
  }: {
    readonly id: string
    readonly version: number
    /** Whether a row, one version on, is what `work` makes of it. */
    readonly isDone: (row: Discrepancy) => boolean
    readonly work: () => Promise<Discrepancy>
  },
  call: Call,
): Promise<Discrepancy> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof StaleDiscrepancyError)) throw error
    const found = await desk.read(id, call)
    if (found === undefined) throw new DiscrepancyNotFoundError()
    if (found.version === version + 1 && isDone(found)) return found
    throw error
  }
}
