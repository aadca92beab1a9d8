import { Fault } from '@stoa/kernel'

/** What was asked for is no move: its scope, its names or its id. Nothing was changed. */
export class InvalidMoveError extends Fault {
  override readonly name = 'InvalidMoveError'
  override readonly code = 'invalid_move'
  override readonly kind = 'invalid_argument'
  constructor(id: string, why: string) {
    super(`Cannot move "${id}": ${why}`)
  }
}

/** A database does not own the scope as the move needs it, or another move is at work in it. Nothing was changed. */
export class MoveConflictError extends Fault {
  override readonly name = 'MoveConflictError'
  override readonly code = 'move_conflict'
  override readonly kind = 'failed_precondition'
  readonly shard: string
  constructor(id: string, shard: string, why: string) {
    super(`Cannot move "${id}": in shard "${shard}" ${why}`)
    this.shard = shard
  }
}

/** The target has rows of the scope already. Nothing was changed. */
export class TargetNotEmptyError extends Fault {
  override readonly name = 'TargetNotEmptyError'
  override readonly code = 'target_not_empty'
  override readonly kind = 'failed_precondition'
  readonly table: string
  constructor(id: string, shard: string, table: string) {
    super(`Cannot move "${id}": shard "${shard}" has rows of it in "${table}" already; delete them`)
    this.table = table
  }
}

/** The two databases have not the same tables, or one lacks its fence. Nothing was changed. */
export class SchemaMismatchError extends Fault {
  override readonly name = 'SchemaMismatchError'
  override readonly code = 'schema_mismatch'
  override readonly kind = 'failed_precondition'
  constructor(id: string, why: string) {
    super(`Cannot move "${id}": ${why}; migrate both databases first`)
  }
}

/** A database is not the one that the topology means: a copy of it, or one restored. Nothing was changed. */
export class WrongIncarnationError extends Fault {
  override readonly name = 'WrongIncarnationError'
  override readonly code = 'wrong_incarnation'
  override readonly kind = 'failed_precondition'
  constructor(id: string, shard: string) {
    super(
      `Cannot move "${id}": shard "${shard}" is a copy of the one in the topology; adopt it first`,
    )
  }
}

/** There is no move of this id. */
export class MoveNotFoundError extends Fault {
  override readonly name = 'MoveNotFoundError'
  override readonly code = 'move_not_found'
  override readonly kind = 'not_found'
  constructor(id: string) {
    super(`Cannot find move "${id}"`)
  }
}

/** The move is past the point, or not at the point, where this can be asked of it. */
export class MovePhaseError extends Fault {
  override readonly name = 'MovePhaseError'
  override readonly code = 'move_phase'
  override readonly kind = 'failed_precondition'
  readonly phase: string
  constructor(id: string, what: string, phase: string) {
    super(`Cannot ${what} move "${id}": it is ${phase}`)
    this.phase = phase
  }
}
