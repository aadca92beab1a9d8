import type { Rows, Statement } from '@stoa/kernel'

import { type Changes, newestOf, readChanges, selectChanges, selectNewest } from './captured.ts'
import { isCopied } from './chunks.ts'
import { type Context, type Flow, report } from './context.ts'
import { asMover, attempt, type Condition, gate } from './gate.ts'
import { isAt } from './steps.ts'
import { deleteKeys, insertRows, selectKeys } from './tables.ts'

/** What changed at the owner after `after`, with the rows as they are, in one snapshot. One round trip. */
export async function readWindow(context: Context, flow: Flow, after: number): Promise<Changes> {
  const { move, tables, limits, safeguards, call } = context
  const size = limits.window
  const changes = selectChanges(tables, { id: move.id, after, size })
  if (safeguards.oneSnapshot) {
    const [newest, ...answers] = await flow.owner.batch([selectNewest, ...changes], 'read', call)
    return readChanges(
      tables,
      { after, size, newest: newestOf(newest) },
      { answers, bytes: limits.bytes },
    )
  }
  const answers = await flow.owner.batch(changes, 'read', call)
  const [newest] = await flow.owner.batch([selectNewest], 'read', call)
  return readChanges(
    tables,
    { after, size, newest: newestOf(newest) },
    { answers, bytes: limits.bytes },
  )
}

function isApplied(id: string, applied: number): Condition {
  return {
    sql: 'EXISTS (SELECT 1 FROM _mv_progress WHERE job = ? AND applied = ?)',
    args: [id, applied],
  }
}

/**
 * The statements that bring the changed rows into the copy as they are at the owner. Each key is deleted first, all
 * before any is inserted; a row that then still conflicts is one that has changed since and will come by itself.
 */
function replaying(context: Context, changes: Changes, applied: number): readonly Statement[] {
  const { move, safeguards } = context
  const gates = [
    gate(isAt(move.id, ['receiving'])),
    ...(safeguards.appliedGuard ? [gate(isApplied(move.id, applied))] : []),
    ...(safeguards.replayAfterCopy ? [gate(isCopied(move.id))] : []),
  ]
  const deletes = [...changes.keys].map(([table, keys]) => deleteKeys(table, keys))
  const inserts = [...changes.rows].flatMap(([table, rows]) => insertRows(table, rows, 'replace'))
  const mark = {
    sql: 'UPDATE _mv_progress SET applied = ? WHERE job = ?',
    args: [changes.upTo, move.id],
  }
  return [...gates, ...asMover(move.id, [...deletes, ...inserts, mark])]
}

/**
 * Replays changes in the copy, which has everything up to `applied`. False when it has not, or no longer receives:
 * another coordinator was faster. One round trip.
 */
export async function applyChanges(
  context: Context,
  flow: Flow,
  { changes, applied }: { readonly changes: Changes; readonly applied: number },
): Promise<boolean> {
  const answers = await attempt(flow.copy, replaying(context, changes, applied), context.call)
  return answers !== undefined
}

/**
 * As {@link applyChanges}, and answers the rows of the changed keys as the copy then has them. `undefined` when it was
 * refused. One round trip.
 */
export async function applyAndReadBack(
  context: Context,
  flow: Flow,
  { changes, applied }: { readonly changes: Changes; readonly applied: number },
): Promise<readonly Rows[] | undefined> {
  const statements = replaying(context, changes, applied)
  const selects = [...changes.keys].map(([table, keys]) => selectKeys(table, keys))
  const answers = await attempt(flow.copy, [...statements, ...selects], context.call)
  return answers?.slice(statements.length)
}

/**
 * One replay: what the copy, which has everything up to `applied`, lacks. Answers how far the copy is then and how far
 * the owner was; `undefined` when another coordinator was faster. Two round trips, one when there is nothing.
 */
export async function replay(
  context: Context,
  flow: Flow,
  applied: number,
): Promise<{ readonly applied: number; readonly newest: number } | undefined> {
  const changes = await readWindow(context, flow, applied)
  if (changes.upTo > applied && !(await applyChanges(context, flow, { changes, applied })))
    return undefined
  report(context, { lag: changes.newest - changes.upTo })
  return { applied: changes.upTo, newest: changes.newest }
}
