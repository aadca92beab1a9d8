import type { Rows, Statement } from '@stoa/kernel'
import { isWritable } from '@stoa/sharding'

import type { Saga, SagaState, SagaStep } from './saga.ts'

/** Whose turn it is, and until when nobody else may take it. */
export type Lease = { readonly owner: string; readonly now: number; readonly leaseMs: number }

const columns =
  'id, kind, state, version, steps, deadline, attempts, lease_epoch, created_at, finished_at, last_error'

/** Writes a new saga, leased to its runner: a sweep takes it up when that dies. */
export function insertSaga(saga: Saga, { owner, now, leaseMs }: Lease): Statement {
  return {
    sql: `INSERT INTO saga (id, kind, state, version, steps, deadline, next_at, lease_owner, lease_until, lease_epoch, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    args: [
      saga.id,
      saga.kind,
      saga.state,
      saga.version,
      JSON.stringify(saga.steps),
      saga.deadline,
      now,
      owner,
      now + leaseMs,
      saga.leaseEpoch,
      saga.createdAt,
    ],
  }
}

/** What a write makes of a saga, and when somebody may take it up if nothing more is heard of its runner. */
export type Change = {
  readonly to: SagaState
  readonly steps: readonly SagaStep[]
  readonly attempts: number
  readonly now: number
  readonly nextAt: number
  /** The runner gives its lease back. */
  readonly released: boolean
  readonly error?: string | undefined
}

/** The longest text of an error that is kept. */
const errorMax = 500

/**
 * Moves a saga on, if it is as its runner knows it and still that runner's; else `state` becomes NULL and the whole
 * batch aborts, with all that was to commit together with the move.
 */
export function updateSaga(saga: Saga, change: Change): Statement {
  const isFinished = change.to === 'done' || change.to === 'cancelled'
  return {
    sql: `UPDATE saga SET state = CASE WHEN state = ? AND version = ? AND lease_epoch = ? THEN ? END,
  version = version + 1, steps = ?, attempts = ?, next_at = ?, finished_at = ?, last_error = ?,
  lease_owner = CASE WHEN ? THEN NULL ELSE lease_owner END, lease_until = CASE WHEN ? THEN 0 ELSE lease_until END
WHERE id = ?`,
    args: [
      saga.state,
      saga.version,
      saga.leaseEpoch,
      change.to,
      JSON.stringify(change.steps),
      change.attempts,
      change.nextAt,
      isFinished ? change.now : null,
      change.error?.slice(0, errorMax) ?? null,
      change.released ? 1 : 0,
      change.released ? 1 : 0,
      saga.id,
    ],
  }
}

/** Takes sagas that are due and nobody's, oldest first, and answers them. A runner that lost its lease writes no more. */
export function claimSagas({ owner, now, leaseMs }: Lease, limit: number): Statement {
  return {
    sql: `UPDATE saga SET lease_owner = ?, lease_until = ?, lease_epoch = lease_epoch + 1
WHERE id IN (
  SELECT id FROM saga
  WHERE finished_at IS NULL AND next_at <= ? AND lease_until <= ? AND ${isWritable('id')}
  ORDER BY next_at, id LIMIT ?)
RETURNING ${columns}`,
    args: [owner, now + leaseMs, now, now, limit],
  }
}

export function selectSaga(id: string): Statement {
  return { sql: `SELECT ${columns} FROM saga WHERE id = ?`, args: [id] }
}

/** The sagas of {@link claimSagas} and {@link selectSaga}. */
export function sagasFrom({ rows }: Rows): readonly Saga[] {
  return rows.map((row) => {
    const [
      id,
      kind,
      state,
      version,
      steps,
      deadline,
      attempts,
      epoch,
      createdAt,
      finishedAt,
      error,
    ] = row
    return {
      id: String(id),
      kind: String(kind),
      state: String(state) as SagaState,
      version: Number(version),
      // Written by insertSaga and updateSaga, whose steps were typed.
      steps: JSON.parse(String(steps)) as readonly SagaStep[],
      deadline: Number(deadline),
      attempts: Number(attempts),
      leaseEpoch: Number(epoch),
      createdAt: Number(createdAt),
      finishedAt: finishedAt === null || finishedAt === undefined ? undefined : Number(finishedAt),
      lastError: error === null || error === undefined ? undefined : String(error),
    }
  })
}
