import type { Connection, Outcome, Running } from './connection.ts'
import { CancelledError, StatementError } from './errors.ts'
import type { Statement } from './statement.ts'
import type { SqlValue } from './values.ts'
import type { Cancellation, WriteLock } from './write-lock.ts'
import { takeTimeout } from './write-lock.ts'

/** A statement with a value for each of its parameters. */
export type Query = {
  readonly statement: Statement
  readonly args: readonly SqlValue[]
  readonly wantsRows: boolean
}

export type Condition =
  | { readonly type: 'ok' | 'error'; readonly step: number }
  | { readonly type: 'not'; readonly condition: Condition }
  | { readonly type: 'and' | 'or'; readonly conditions: readonly Condition[] }
  | { readonly type: 'is_autocommit' }

export type Step = { readonly query: Query; readonly condition: Condition | undefined }

/** What a program runs in. */
export type Scope = {
  readonly connection: Connection
  readonly lock: WriteLock
  readonly counts: Counts
  readonly mayWrite: boolean
  /** How long to wait for a lock that no stream of ours holds: another process has the file. */
  readonly lockTimeoutMs: number
  readonly cancellation: Cancellation
  /** Told around a wait, so that the thread can be lent meanwhile. */
  readonly waiting: (isWaiting: boolean) => void
  /** Told when a change of schema may have become visible. */
  readonly schemaChanged: () => void
}

export type Counts = { statements: number; rowsRead: number; rowsWritten: number }

/** Takes what a statement gives, in order. A sink that returns a promise is waited for. */
export type Sink = {
  begin(running: Running): Promise<void> | undefined
  row(values: readonly unknown[]): Promise<void> | undefined
  end(outcome: Outcome, durationMs: number, counts: RowCounts): void
  /** The step failed, perhaps after some rows. */
  failed?(error: StatementError): void
}

export type RowCounts = { readonly rowsRead: number; readonly rowsWritten: number }

/** Pause between two tries for a lock that another process holds. */
const outsiderPauseMs = 10

/**
 * Runs one query to its end.
 *
 * @throws StatementError when it fails; the transaction it stands in stays as SQLite leaves it.
 */
export async function runQuery(query: Query, scope: Scope, sink: Sink): Promise<void> {
  const { connection, lock } = scope
  const { statement } = query
  if (!scope.mayWrite && !isReadOnly(statement)) throw readOnlyError()
  const startMs = performance.now()
  scope.counts.statements += 1
  if (statement.takesWriteLock) {
    if (!lock.isFreeFor(connection)) await waitForLock(scope)
    // Taken before it is needed: nobody else may try between the statement and the end of this function.
    lock.take(connection)
  }
  try {
    const running = await startQuery(query, scope)
    const outcome = await drain(running, query, sink)
    const counts = outcome.counts
    scope.counts.rowsRead += counts.rowsRead
    scope.counts.rowsWritten += counts.rowsWritten
    sink.end(outcome, performance.now() - startMs, counts)
  } finally {
    settle(statement, scope)
  }
}

async function drain(
  running: Running,
  query: Query,
  sink: Sink,
): Promise<Outcome & { readonly counts: RowCounts }> {
  let rows = 0
  let isReading = false
  const next = (): IteratorResult<unknown, unknown> => {
    isReading = true
    const result = running.rows.next()
    isReading = false
    return result
  }
  try {
    const begun = sink.begin(running)
    if (begun !== undefined) await begun
    for (let row = next(); row.done !== true; row = next()) {
      rows += 1
      if (!query.wantsRows) continue
      const taken = sink.row(row.value as readonly unknown[])
      if (taken !== undefined) await taken
    }
  } catch (error) {
    // A statement that failed has ended by itself; one whose reader failed has not.
    if (!isReading) running.abandon()
    throw error
  }
  const outcome = running.outcome()
  const counts = { rowsRead: rows + outcome.affected, rowsWritten: outcome.affected }
  return { ...outcome, counts: query.statement.isInsert ? { ...counts, rowsRead: rows } : counts }
}

/** Starts a statement, waiting for an outsider's lock as sqld's callers would for each other's. */
async function startQuery(query: Query, scope: Scope): Promise<Running> {
  const deadlineMs = performance.now() + scope.lockTimeoutMs
  for (;;) {
    try {
      return scope.connection.start(query.statement, query.args)
    } catch (error) {
      if (!isOutsidersLock(error, scope) || performance.now() > deadlineMs) throw error
      scope.waiting(true)
      await new Promise((resolve) => setTimeout(resolve, outsiderPauseMs))
      scope.waiting(false)
    }
  }
}

/** A stale snapshot is SQLITE_BUSY too, but waiting never mends it: only autocommit can try again. */
function isOutsidersLock(error: unknown, scope: Scope): boolean {
  const isBusy = error instanceof StatementError && error.code === 'SQLITE_BUSY'
  return isBusy && !scope.connection.inTransaction
}

async function waitForLock(scope: Scope): Promise<void> {
  scope.waiting(true)
  try {
    await scope.lock.wait(scope.connection, scope.cancellation)
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error
    throw new StatementError('SQLITE_INTERRUPT', 'SQLite error: interrupted', { cause: error })
  } finally {
    scope.waiting(false)
  }
}

/** Keeps the lock's and the schema's books after a statement, whether it succeeded or not. */
function settle(statement: Statement, scope: Scope): void {
  const { connection, lock } = scope
  const isOpen = connection.inTransaction
  if (statement.kind === 'ddl') connection.changedSchema = true
  if (connection.changedSchema) {
    scope.schemaChanged()
    connection.changedSchema = isOpen
  }
  if (!isOpen) lock.release(connection)
}

function isReadOnly(statement: Statement): boolean {
  return statement.kind !== 'write' && statement.kind !== 'ddl'
}

const readOnlyError = (): StatementError =>
  new StatementError('BLOCKED', 'Operation was blocked: the token is read-only')

/** The program's own view of a step: its result, an error, or (null) skipped. */
export type StepEnd = 'ok' | 'skipped' | StatementError

/**
 * Runs the steps whose conditions hold, all to the end, and tells how each one ended.
 *
 * As in sqld a skipped step counts as failed in later conditions, and after a stolen lock every step fails alike.
 */
export async function runProgram(
  steps: readonly Step[],
  scope: Scope,
  sinkOf: (step: number) => Sink,
): Promise<readonly StepEnd[]> {
  const ends: StepEnd[] = []
  const timeout = takeTimeout(scope.connection)
  for (const [i, step] of steps.entries()) {
    if (timeout !== undefined) ends.push(failStep(timeout, sinkOf(i)))
    else if (!holds(step.condition, ends, scope.connection)) ends.push('skipped')
    else ends.push(await runStep(step, scope, sinkOf(i)))
  }
  return ends
}

async function runStep(step: Step, scope: Scope, sink: Sink): Promise<StepEnd> {
  try {
    await runQuery(step.query, scope, sink)
    return 'ok'
  } catch (error) {
    if (!(error instanceof StatementError) || error.code === 'RESPONSE_TOO_LARGE') throw error
    return failStep(error, sink)
  }
}

function failStep(error: StatementError, sink: Sink): StatementError {
  sink.failed?.(error)
  return error
}

function holds(
  condition: Condition | undefined,
  ends: readonly StepEnd[],
  connection: Connection,
): boolean {
  if (condition === undefined) return true
  switch (condition.type) {
    case 'ok':
      return ends[condition.step] === 'ok'
    case 'error':
      return ends[condition.step] !== 'ok'
    case 'not':
      return !holds(condition.condition, ends, connection)
    case 'and':
      return condition.conditions.every((inner) => holds(inner, ends, connection))
    case 'or':
      return condition.conditions.some((inner) => holds(inner, ends, connection))
    case 'is_autocommit':
      return !connection.inTransaction
  }
}
