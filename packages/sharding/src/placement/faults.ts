import { Fault } from '@stoa/kernel'

/** An algorithm was given nodes or parameters that place nothing, or place a key twice. Raised before any key is placed. */
export class InvalidPlacementError extends Fault {
  override readonly name = 'InvalidPlacementError'
  override readonly code = 'invalid_placement'
  override readonly kind = 'invalid_argument'

  constructor(algorithm: string, why: string) {
    super(`Cannot place by ${algorithm}: ${why}`)
  }
}

/** An algorithm has no node for this key: it is of another type than the algorithm takes, or in no directory. */
export class UnplaceableKeyError extends Fault {
  override readonly name = 'UnplaceableKeyError'
  override readonly code = 'unplaceable_key'
  override readonly kind = 'invalid_argument'

  constructor(algorithm: string, key: unknown, why: string) {
    super(`Cannot place key ${JSON.stringify(key)} by ${algorithm}: ${why}`)
  }
}

/** No map satisfies what a plan was asked for. Nothing has moved. */
export class ImpossiblePlanError extends Fault {
  override readonly name = 'ImpossiblePlanError'
  override readonly code = 'impossible_plan'
  override readonly kind = 'failed_precondition'

  constructor(why: string) {
    super(`Cannot plan the moves: ${why}`)
  }
}
