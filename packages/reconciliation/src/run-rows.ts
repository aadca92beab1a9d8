import { Fault, type Rows, type Statement } from '@stoa/kernel'

import type { BreakClass } from './finding.ts'

export type Counts = Readonly<Partial<Record<BreakClass, number>>>

/** How far a run is. Each key is counted once, however often the run was cut off. */
export type Run = {
  readonly id: string
  readonly comparison: string
  readonly state: 'running' | 'finished'
  /** The last key that is done. */
  readonly cursor: string | undefined
  readonly compared: number
  /** Keys left for the next run: they may have been under way. */
  readonly young: number
  readonly found: Counts
  readonly version: number
  readonly startedAt: number
  readonly finishedAt: number | undefined
}

/** Another runner has moved the run on. Its findings are the same; this one stops. */
export class StaleRunError extends Fault {
  override readonly name = 'StaleRunError'
  override readonly code = 'stale_run'
  override readonly kind = 'aborted'
  constructor(id: string, options?: ErrorOptions) {
    super(`Cannot go on with run "${id}": it is not where this runner left it`, options)
  }
}

export function insertRun(id: string, comparison: string, at: number): Statement {
  return {
    sql: `INSERT INTO reconciliation_run (id, comparison, state, started_at, changed_at)
VALUES (?, ?, 'running', ?, ?) ON CONFLICT (id) DO NOTHING`,
    args: [id, comparison, at, at],
  }
}

/** In the order of {@link Run}. */
export const runColumns =
  'id, comparison, state, cursor, compared, young, found, version, started_at, finished_at'

export function selectRun(id: string): Statement {
  return { sql: `SELECT ${runColumns} FROM reconciliation_run WHERE id = ?`, args: [id] }
}

/** Rows of {@link runColumns}. */
export function runsFrom({ rows }: Rows): readonly Run[] {
  return rows.map((row) => ({
    id: String(row[0]),
    comparison: String(row[1]),
    state: row[2] === 'finished' ? 'finished' : 'running',
    cursor: row[3] === null ? undefined : String(row[3]),
    compared: Number(row[4]),
    young: Number(row[5]),
    found: JSON.parse(String(row[6])) as Counts,
    version: Number(row[7]),
    startedAt: Number(row[8]),
    finishedAt: row[9] === null ? undefined : Number(row[9]),
  }))
}

/** Writes `run` over its version before; aborts when somebody else has. */
export function updateRun(run: Run, at: number): Statement {
  return {
    sql: `UPDATE reconciliation_run SET state = CASE WHEN version = ? THEN ? END, version = version + 1, cursor = ?,
  compared = ?, young = ?, found = ?, changed_at = ?, finished_at = ? WHERE id = ?`,
    args: [
      run.version,
      run.state,
      run.cursor ?? null,
      run.compared,
      run.young,
      JSON.stringify(run.found),
      at,
      run.finishedAt ?? null,
      run.id,
    ],
  }
}
