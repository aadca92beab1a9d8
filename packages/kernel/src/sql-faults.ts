import { Fault } from './fault.ts'

/** Why a shard gave no answer. Only the first two may pass by themselves. */
export type UnavailableReason =
  | 'network'
  | 'server'
  | 'blocked'
  | 'unknown_database'
  | 'unauthorized'

/** A shard could not be asked. Nothing was written. */
export class ShardUnavailableError extends Fault {
  override readonly name = 'ShardUnavailableError'
  override readonly code = 'shard_unavailable'
  override readonly kind = 'unavailable'
  override readonly retryable: boolean
  readonly shard: string
  readonly reason: UnavailableReason

  constructor(shard: string, reason: UnavailableReason, options?: ErrorOptions) {
    super(`Cannot reach shard "${shard}": ${reason}`, options)
    this.shard = shard
    this.reason = reason
    this.retryable = reason === 'network' || reason === 'server'
  }
}

/**
 * A write was sent and its reply was lost: it may have committed.
 *
 * Retry only a batch that carries an idempotency row (or another unique row) by which it finds that it
 * already happened; otherwise read that row first.
 */
export class AmbiguousWriteError extends Fault {
  override readonly name = 'AmbiguousWriteError'
  override readonly code = 'ambiguous_write'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  readonly shard: string

  constructor(shard: string, options?: ErrorOptions) {
    super(`Cannot tell whether shard "${shard}" committed the write: its reply was lost`, options)
    this.shard = shard
  }
}

/** A shard refused because it is writing, or asked too much at once. Nothing was written. */
export class ShardBusyError extends Fault {
  override readonly name = 'ShardBusyError'
  override readonly code = 'shard_busy'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  readonly shard: string

  constructor(shard: string, options?: ErrorOptions) {
    super(`Cannot use shard "${shard}" now: it is busy`, options)
    this.shard = shard
  }
}

/** Which rule a row broke; `trigger` is a RAISE in the schema. A primary key counts as `unique`. */
export type ConstraintType = 'unique' | 'not_null' | 'check' | 'foreign_key' | 'trigger'

/** A statement broke a rule of the schema. The whole batch was rolled back. */
export class SqlConstraintError extends Fault {
  override readonly name = 'SqlConstraintError'
  override readonly code = 'sql_constraint'
  override readonly kind: 'already_exists' | 'failed_precondition'
  readonly shard: string
  readonly type: ConstraintType
  /** What broke: `users.handle`, `a.x, a.y`, the name of a check, or the text of a RAISE. */
  readonly constraint: string
  /** Which statement of the batch, from 0; `undefined` when the COMMIT itself failed. */
  readonly statement: number | undefined

  constructor(shard: string, broken: BrokenConstraint, options?: ErrorOptions) {
    super(`Cannot write to shard "${shard}": ${broken.type} ${broken.constraint}`, options)
    this.kind = broken.type === 'unique' ? 'already_exists' : 'failed_precondition'
    this.shard = shard
    this.type = broken.type
    this.constraint = broken.constraint
    this.statement = broken.statement
  }
}

type BrokenConstraint = {
  readonly type: ConstraintType
  readonly constraint: string
  readonly statement: number | undefined
}

const constraintForms: readonly (readonly [RegExp, ConstraintType])[] = [
  [/UNIQUE constraint failed: (.+)/, 'unique'],
  [/NOT NULL constraint failed: (.+)/, 'not_null'],
  [/CHECK constraint failed: (.+)/, 'check'],
  [/(FOREIGN KEY) constraint failed/, 'foreign_key'],
]

/** Reads SQLite's words for a broken rule; anything else is taken for the text of a RAISE. */
export function readConstraint(message: string): Omit<BrokenConstraint, 'statement'> {
  for (const [form, type] of constraintForms) {
    const found = form.exec(message)?.[1]
    if (found !== undefined) return { type, constraint: found.trim() }
  }
  return { type: 'trigger', constraint: message.replace(/^(SQLite error: |SQLITE_\w+: )+/, '') }
}
