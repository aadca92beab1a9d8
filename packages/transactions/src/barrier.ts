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

const key = 'slot = ? AND gid = ? AND branch = ?'

function keyOf({ key: slot, gid, branch }: Branch): readonly string[] {
  return [slot, gid, branch]
}

/**
 * The condition under which an operation may run at all; where it does not hold, its reason is NULL and the batch
 * aborts. The coordinator decides once, so only a fault in it, or rows lost, can bring this about.
 */
function reasonOf(attempt: Attempt): Statement {
  const { op } = attempt
  if (op === 'confirm') {
    const tried = `EXISTS (SELECT 1 FROM barrier WHERE ${key} AND op = 'try')`
    const cancelled = `EXISTS (SELECT 1 FROM barrier WHERE ${key} AND op = 'cancel')`
    return {
      sql: `CASE WHEN ${tried} AND NOT ${cancelled} THEN 'confirm' END`,
      args: [...keyOf(attempt), ...keyOf(attempt)],
    }
  }
  if (op === 'cancel') {
    const confirmed = `EXISTS (SELECT 1 FROM barrier WHERE ${key} AND op = 'confirm')`
    return { sql: `CASE WHEN NOT ${confirmed} THEN 'cancel' END`, args: keyOf(attempt) }
  }
  return { sql: '?', args: [op] }
}

/**
 * Takes the operation's place, and for an undo first the place of what it undoes, so that this cannot come after it.
 * A place that is taken answers who took it. A batch that is sent again as it was meets its own token, and aborts.
 */
function enter(attempt: Attempt): Statement {
  const { op, token, at } = attempt
  const origin = origins[op]
  const reason = reasonOf(attempt)
  const own = [...keyOf(attempt), op, ...reason.args, token, at]
  const row = `(?, ?, ?, ?, ${reason.sql}, ?, ?)`
  const rows = origin === undefined ? row : `(?, ?, ?, ?, ?, ?, ?), ${row}`
  return {
    sql: `INSERT INTO barrier (slot, gid, branch, op, reason, token, at) VALUES ${rows}
ON CONFLICT DO UPDATE SET token = CASE WHEN token <> excluded.token THEN token END
RETURNING op, reason, token`,
    args: origin === undefined ? own : [...keyOf(attempt), origin, op, token, at, ...own],
  }
}

/** A SQL expression that is true in this attempt's batch alone, and only when there is something to do. */
function gateOf(attempt: Attempt): Statement {
  const { op, token } = attempt
  const origin = origins[op]
  const entered = `EXISTS (SELECT 1 FROM barrier WHERE ${key} AND op = ? AND token = ?)`
  if (origin === undefined) return { sql: entered, args: [...keyOf(attempt), op, token] }
  return {
    sql: `(${entered} AND NOT ${entered})`,
    args: [...keyOf(attempt), op, token, ...keyOf(attempt), origin, token],
  }
}

function outcomeOf({ op, token }: Attempt, rows: Rows | undefined): Outcome {
  const places = rows?.rows ?? []
  const own = places.find(([place]) => place === op)
  if (own === undefined)
    throw new Error(`Cannot read the outcome of "${op}": the barrier is silent`)
  const [, reason, taker] = own
  if (taker !== token) return reason === op ? 'duplicate' : 'hanging'
  const origin = places.find(([place]) => place === origins[op])
  return origin?.[2] === token ? 'void' : 'applied'
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
    outcome: ([first]) => outcomeOf(attempt, first),
  }
}
