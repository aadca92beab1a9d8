import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { Rows, SqlValue } from '@stoa/kernel'
import type { Counts, Run } from '@stoa/reconciliation'

import type { RunList } from '../domain/ports.ts'
import type { RunStore } from '../domain/tiers.ts'

const columns =
  'id, comparison, state, cursor, compared, young, found, version, started_at, finished_at'

/** Runs that one tick goes on with for others. */
const abandonedMax = 10

function runOf(row: readonly SqlValue[]): Run {
  return {
    id: String(row[0]),
    comparison: String(row[1]),
    state: row[2] === 'finished' ? 'finished' : 'running',
    cursor: row[3] === null ? undefined : String(row[3]),
    compared: Number(row[4]),
    young: Number(row[5]),
    // Written by the reconciler, from a value of this type.
    found: JSON.parse(String(row[6])) as Counts,
    version: Number(row[7]),
    startedAt: Number(row[8]),
    finishedAt: row[9] === null ? undefined : Number(row[9]),
  }
}

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
            sql: `SELECT changed_at, ${columns} FROM reconciliation_run
WHERE state = 'running' AND changed_at <= ? AND ${isOwned('id')} ORDER BY changed_at, id LIMIT ?`,
            args: [before, abandonedMax],
          }),
          order: [{ column: 'changed_at' }, { column: 'id' }],
          limit: abandonedMax,
          unreachable: 'skip',
        },
        call,
      )
      return rows.rows.map((row) => runOf(row.slice(1)))
    },
    get: async (id, call) => {
      const sql = `SELECT ${columns} FROM reconciliation_run WHERE id = ?`
      const [row] = (await router.read(id, { sql, args: [id] }, call)).rows
      return row === undefined ? undefined : runOf(row)
    },
    list: async ({ before, limit }, call) => {
      const { startedAt, id } = before ?? { startedAt: Number.MAX_SAFE_INTEGER, id: '' }
      const { rows } = await router.scatter(
        {
          select: (isOwned) => ({
            sql: `SELECT ${columns} FROM reconciliation_run
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
      return rows.rows.map(runOf)
    },
  }
}
