import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import {
  type Call,
  type Rows,
  SqlConstraintError,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { KeyReusedError, type Once } from '@stoa/messaging'

import type { Begun, StoredAnswer } from '../domain/ports.ts'

/** How long an answer is kept: as long as everywhere in the API. */
const keptMs = 24 * 60 * 60 * 1_000
/** How long a request of several steps is its worker's alone; then the next one with the key goes on with it. */
export const leaseMs = 15_000
const [okStatus, refusedStatus] = [201, 409]

/** The row of a request of several steps: it lies beside what the request works on. */
export type RequestRow = { readonly slot: string; readonly once: Once }

const where = 'slot = ? AND principal = ? AND method = ? AND route = ? AND key = ?'

function whereOf({ slot, once }: RequestRow): readonly SqlValue[] {
  return [slot, once.principal, once.method, once.route, once.key]
}

/** `point` says where to go on, and whose row it is: it names what this very request makes. */
function insertRow(row: RequestRow, point: string, now: number): Statement {
  return {
    sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, recovery_point, lease_until, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    args: [...whereOf(row), row.once.fingerprint, point, now + leaseMs, now, now + keptMs],
  }
}

/** Keeps the answer, with whatever else the batch writes. The first answer stands. */
export function answerRow(row: RequestRow, answer: StoredAnswer): Statement {
  return {
    sql: `UPDATE idempotency SET status = ?, response = ?, recovery_point = NULL, lease_until = 0
WHERE ${where} AND status IS NULL`,
    args: [answer.ok ? okStatus : refusedStatus, JSON.stringify(answer), ...whereOf(row)],
  }
}

export function releaseRow(row: RequestRow): Statement {
  return {
    sql: `UPDATE idempotency SET lease_until = 0 WHERE ${where} AND status IS NULL`,
    args: whereOf(row),
  }
}

type Found = {
  readonly answer: StoredAnswer | undefined
  readonly point: string
  readonly leaseUntil: number
}

async function findRow(
  { router }: KeyspaceAccess,
  row: RequestRow,
  call: Call,
): Promise<Found | undefined> {
  const sql = `SELECT fingerprint, response, recovery_point, lease_until FROM idempotency WHERE ${where}`
  const { rows } = await router.read(row.slot, { sql, args: whereOf(row) }, call)
  const [found] = rows
  if (found === undefined) return undefined
  const [fingerprint, response, point, leaseUntil] = found
  if (fingerprint !== row.once.fingerprint) throw new KeyReusedError()
  return {
    // Written by `answerRow`, from a value of this type.
    answer: typeof response === 'string' ? (JSON.parse(response) as StoredAnswer) : undefined,
    point: String(point),
    leaseUntil: Number(leaseUntil),
  }
}

/** Takes a row whose worker is gone, unless somebody else does at the same moment. */
async function takeRow(
  { router, clock }: KeyspaceAccess,
  { row, seen }: { readonly row: RequestRow; readonly seen: number },
  call: Call,
): Promise<boolean> {
  const now = clock.now()
  // A lease that ends when the one before ended would let two in.
  const until = Math.max(now, seen) + leaseMs
  const sql = `UPDATE idempotency SET lease_until = ? WHERE ${where} AND status IS NULL AND lease_until = ? RETURNING 1 AS taken`
  const [taken] = await router.write(
    row.slot,
    [{ sql, args: [until, ...whereOf(row), seen] }],
    call,
  )
  return taken?.rows.length === 1
}

function isKeyTaken(error: unknown): boolean {
  return (
    error instanceof SqlConstraintError &&
    error.type === 'unique' &&
    error.constraint.includes('idempotency.')
  )
}

export type Beginning<T> = {
  readonly row: RequestRow
  readonly keys: readonly string[]
  readonly point: string
  readonly statements: readonly Statement[]
  /** Reads the first step's rows. */
  readonly read: (rows: readonly Rows[]) => Promise<T>
  /** Reads where an earlier request stopped, by its point. */
  readonly resume: (point: string, call: Call) => Promise<T>
}

/**
 * Begins a request of several steps: its row commits with its first step. One that was begun is answered, or is busy,
 * or is gone on with when its worker has been silent for the lease.
 *
 * @throws KeyReusedError, and what the first step breaks.
 */
export async function beginRequest<T>(
  access: KeyspaceAccess,
  { row, keys, point, statements, read, resume }: Beginning<T>,
  call: Call,
): Promise<Begun<T>> {
  const { committer, clock } = access
  const first = [insertRow(row, point, clock.now())]
  try {
    const { rows } = await committer.commit({ keys, first, statements, events: [] }, call)
    return { turn: 'mine', work: await (rows === undefined ? resume(point, call) : read(rows)) }
  } catch (error) {
    if (!isKeyTaken(error)) throw error
    const found = await findRow(access, row, call)
    if (found === undefined) throw error
    if (found.answer !== undefined) return { turn: 'answered', answer: found.answer }
    // Our own row: the reply to the first step was lost.
    const isOurs = found.point === point
    const waitMs = found.leaseUntil - clock.now()
    if (!isOurs && waitMs > 0) return { turn: 'busy', waitMs }
    if (!isOurs && !(await takeRow(access, { row, seen: found.leaseUntil }, call)))
      return { turn: 'busy', waitMs: leaseMs }
    return { turn: 'mine', work: await resume(found.point, call) }
  }
}
