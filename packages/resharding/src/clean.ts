import type { SqlShard, Statement } from '@stoa/kernel'
import { ownerOf } from '@stoa/sharding'

import { type Context, report } from './context.ts'
import type { Budget } from './copy.ts'
import { asMover, attempt, type Condition, gate } from './gate.ts'
import { close, isAt, readProgress, startCleaning, type Step } from './steps.ts'
import { deleteSome, type Table } from './tables.ts'

/** Entries of the capture that are deleted at a time. */
const entriesAtOnce = 5_000

/** Holds while every piece of the move lies here handed off, and is this move's: nobody else may have put rows there. */
function isOurs({ move }: Context): Condition {
  return {
    sql: `NOT EXISTS (SELECT 1 FROM json_each(?) AS piece LEFT JOIN _slot_owner AS o ON o.lo = piece.value ->> 'lo'
WHERE o.job IS NOT ? OR o.state <> 'handed_off')`,
    args: [JSON.stringify(move.spec.pieces), move.id],
  }
}

/**
 * Deletes the rows of a copy that nobody needs, a few of each table at a time, within the budget. True when none is
 * left. One round trip a batch.
 */
export async function purge(context: Context, shard: SqlShard, budget: Budget): Promise<boolean> {
  const { move, limits, safeguards, call } = context
  const isGuarded = safeguards.purgeGuard && safeguards.cleanAfterOpen
  const gates = isGuarded ? [isAt(move.id, ['cleaning']), isOurs(context)].map(gate) : []
  let tables: readonly Table[] = context.tables
  while (tables.length > 0 && budget.left > 0) {
    budget.left -= 1
    const limit = Math.max(1, Math.floor(limits.rows / tables.length))
    const deletes = tables.map((table) => deleteSome(table, move.spec.intervals, limit))
    const statements: readonly Statement[] = [...gates, ...asMover(move.id, deletes)]
    const answers = await attempt(shard, statements, call)
    if (answers === undefined) return false
    const counts = answers.slice(gates.length + 1, -1).map(({ rowsAffected }) => rowsAffected)
    const cleaned = counts.reduce((sum, count) => sum + count, 0)
    report(context, { cleaned })
    await context.pace(cleaned)
    tables = tables.filter((_, index) => (counts[index] ?? 0) >= limit)
  }
  return tables.length === 0
}

/**
 * Deletes captured changes of pieces that no move captures, or this one no longer does. What another move captures
 * stays. True when none is left.
 */
export async function pruneCaptured(
  { move, call }: Context,
  shard: SqlShard,
  budget: Budget,
): Promise<boolean> {
  const prune = {
    sql: `DELETE FROM _cdc WHERE seq IN (
SELECT c.seq FROM _cdc AS c WHERE coalesce(${ownerOf('c.key', 'job')}, ?) = ? ORDER BY c.seq LIMIT ?)`,
    args: [move.id, move.id, entriesAtOnce],
  }
  while (budget.left > 0) {
    budget.left -= 1
    const [rows] = await shard.batch([prune], 'write', call)
    if ((rows?.rowsAffected ?? 0) < entriesAtOnce) return true
  }
  return false
}

/** Deletes captured changes that the copy has and that were compared. */
export async function pruneFollowed(
  { move, call }: Context,
  owner: SqlShard,
  verified: number,
): Promise<void> {
  const prune = {
    sql: `DELETE FROM _cdc WHERE seq IN (
SELECT c.seq FROM _cdc AS c WHERE c.seq <= ? AND ${ownerOf('c.key', 'job')} = ? ORDER BY c.seq LIMIT ?)`,
    args: [verified, move.id, entriesAtOnce],
  }
  await owner.batch([prune], 'write', call)
}

/**
 * Empties a copy that is no longer wanted and closes the move there. True when that is done; false when the budget is
 * spent, or the copy is at another step than `from`.
 */
export async function cleanCopy(
  context: Context,
  shard: SqlShard,
  { from, budget }: { readonly from: readonly Step[]; readonly budget: Budget },
): Promise<boolean> {
  const { move, call } = context
  const progress = await readProgress(shard, move.id, call)
  if (progress === undefined) return false
  if (progress.step === 'closed') return true
  if (progress.step !== 'cleaning' && !(await startCleaning(context, shard, from))) return false
  if (!(await purge(context, shard, budget))) return false
  if (!(await pruneCaptured(context, shard, budget))) return false
  return close(context, shard)
}
