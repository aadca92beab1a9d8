import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { Rows } from '@stoa/kernel'
import { runColumns, runsFrom, selectRun } from '@stoa/reconciliation'

import type { RunList } from '../domain/ports.ts'
import type { RunStore } from '../domain/tiers.ts'

/** Runs that one tick goes on with for others. */
const abandonedMax = 10

function finishedOf(answers: readonly Rows[]): ReadonlySet<string> {
  return new Set(answers.flatMap(({ rows }) => rows.map(([id]) => String(id))))
}

export function runStore({ router }: Pick<KeyspaceAccess, 'router'>): RunStore & RunList {
  return {
    finished: async (ids, call) => {
      const sql = `SELECT id FROM reconciliation_run WHERE id = ? AND state = 'finished'`
      const queries = ids.map((id) => ({ key: id, statement: { sql, args: [id] } }))
      return finishedOf(await router.readMany(queries, call))
    },
    abandoned: async (before, call) => {
      const { rows } = await router.scatter(
        {
          select: (isOwned) => ({
            sql: `SELECT ${runColumns}, changed_at FROM reconciliation_run
WHERE state = 'running' AND changed_at <= ? AND ${isOwned('id')} ORDER BY changed_at, id LIMIT ?`,
            args: [before, abandonedMax],
          }),
          order: [{ column: 'changed_at' }, { column: 'id' }],
          limit: abandonedMax,
          unreachable: 'skip',
        },
        call,
      )
      return runsFrom(rows)
    },
    get: async (id, call) => {
      const [run] = runsFrom(await router.read(id, selectRun(id), call))
      return run
    },
    list: async ({ before, limit }, call) => {
      const { startedAt, id } = before ?? { startedAt: Number.MAX_SAFE_INTEGER, id: '' }
      const { rows } = await router.scatter(
        {
          select: (isOwned) => ({
            sql: `SELECT ${runColumns} FROM reconciliation_run
WHERE (started_at, id) < (?, ?) AND ${isOwned('id')} ORDER BY started_at DESC, id DESC LIMIT ?`,
            args: [startedAt, id, limit],
          }),
          order: [
            { column: 'started_at', descending: true },
            { column: 'id', descending: true },
          ],
          limit,
          unreachable: 'fail',
        },
        call,
      )
      return runsFrom(rows)
    },
  }
}
