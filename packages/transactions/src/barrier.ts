import type { Rows, Statement } from '@stoa/kernel'

/** TCC has try, confirm and cancel; a saga has action and compensate. */
export type BranchOp = 'try' | 'confirm' | 'cancel' | 'action' | 'compensate'

/** One participant's part in a global transaction. */
export type Branch = {
  /** The key of the rows it changes: the barrier's rows lie and move with them. */
  readonly key: string
  /** The global transaction. */
  readonly gid: string
  /** Tells the branches of one transaction apart, also those under one key. */
  readonly branch: string
}

/** One try to run an operation. A repeat is another attempt: it has the same branch and operation and a token of its own. */
export type Attempt = Branch & {
  readonly op: BranchOp
  /** Fresh for each attempt, never reused: it tells this attempt's rows from those of an earlier one. */
  readonly token: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/**
 * What became of an attempt. `duplicate`: an earlier one was applied. `hanging`: a try that came after its cancel.
 * `void`: a cancel whose try never came, and now never can. All four are final; only the first changed anything.
 */
export type Outcome = 'applied' | 'duplicate' | 'hanging' | 'void'

/** A batch behind a barrier, and how to read what it gave. */
export type BarrierBatch = {
  readonly statements: readonly Statement[]
  /** Reads the rows that `statements` gave, in their order. */
  outcome(this: void, rows: readonly Rows[]): Outcome
}

/** What an operation takes back. */
const origins: Partial<Record<BranchOp, BranchOp>> = { cancel: 'try', compensate: 'action' }

function keyOf({ key: slot, gid, branch }: Branch): readonly string[] {
  return [slot, gid, branch]
}

/** The place of `op`, in a statement whose first bindings are the key. */
const placeOf = (op: BranchOp) =>
  `EXISTS (SELECT 1 FROM barrier WHERE slot = ?1 AND gid = ?2 AND branch = ?3 AND op = '${op}')`

/**
 * The reason of an operation, which is its name where it can run at all. Where it cannot, the reason is NULL and the
 * batch aborts. The coordinator decides once, so only a fault in it, or rows lost, can bring this about.
 */
function reasonOf(op: BranchOp): string {
  if (op === 'confirm')
    return `CASE WHEN ${placeOf('try')} AND NOT ${placeOf('cancel')} THEN ?4 END`
  return op === 'cancel' ? `CASE WHEN NOT ${placeOf('confirm')} THEN ?4 END` : '?4'
}

/**
 * The places that an operation takes: its own, and before an undo's the place of what it undoes, so that this cannot
 * come after it. A try, and an action, puts its own down twice, for the sake of what is counted.
 */
function placesOf(op: BranchOp): string {
  const own = `(?1, ?2, ?3, ?4, ${reasonOf(op)}, ?5, ?6)`
  const origin = origins[op]
  if (origin !== undefined) return `(?1, ?2, ?3, '${origin}', ?4, ?5, ?6), ${own}`
  return op === 'confirm' ? own : `${own}, (?1, ?2, ?3, ?4, ?4, '', ?6)`
}

/**
 * Takes the operation's places. What they were before is told by the rows affected, which cost nothing; to return the
 * rows makes the batch 4 % slower. A place that is free counts one, and a taken one nothing: so an undo counts two, or
 * one when there is something to undo, or none when it is done. A try counts one, its second row meeting its first, or
 * none when it is done; where its undo was first, both rows count.
 *
 * A batch that is sent again as it was meets its own token, and aborts.
 */
function enter(attempt: Attempt): Statement {
  const { op, token, at } = attempt
  const isUndone = op === 'try' || op === 'action' ? ' OR reason <> op' : ''
  return {
    sql: `INSERT INTO barrier (slot, gid, branch, op, reason, token, at) VALUES ${placesOf(op)}
ON CONFLICT DO UPDATE SET token = CASE WHEN token <> excluded.token THEN token END
WHERE token = excluded.token${isUndone}`,
    args: [...keyOf(attempt), op, token, at],
  }
}

/**
 * A SQL expression that is true in this attempt's batch alone, and only when there is something to do: when the attempt
 * has taken one place. An undo that has taken two came before what it undoes.
 */
function gateOf(attempt: Attempt): Statement {
  return {
    sql: '(SELECT count(*) FROM barrier WHERE slot = ? AND gid = ? AND branch = ? AND token = ?) = 1',
    args: [...keyOf(attempt), attempt.token],
  }
}

/** By how many of its rows took effect, as {@link enter} counts them. */
function outcomeOf(op: BranchOp, rows: Rows | undefined): Outcome {
  const first = origins[op] === undefined ? 'hanging' : 'void'
  const outcome = (['duplicate', 'applied', first] as const)[rows?.rowsAffected ?? -1]
  if (outcome === undefined)
    throw new Error(`Cannot read the outcome of "${op}": the barrier is silent`)
  return outcome
}

/**
 * Puts `work` behind a barrier: in whatever order, however often and however late the attempts of a branch come, a try
 * is applied at most once and never after its cancel, a cancel only after its try, a confirm once.
 *
 * `work` makes the statements; each that changes something must carry the gate, a SQL expression with its arguments, in
 * its WHERE. Amounts of a confirm or cancel come from the rows the try wrote. One more statement than the bare batch,
 * no more round trips.
 *
 * The batch aborts with `barrier.reason` when the operation is out of order (a confirm without its try, a confirm and a
 * cancel of one branch), and with `barrier.token` when a token comes twice.
 *
 * @see dtm-labs/client, `dtmcli/barrier.go`, whose interactive transaction this puts into one batch.
 */
export function barrier(
  attempt: Attempt,
  work: (gate: Statement) => readonly Statement[],
): BarrierBatch {
  return {
    statements: [enter(attempt), ...work(gateOf(attempt))],
    outcome: ([first]) => outcomeOf(attempt.op, first),
  }
}
