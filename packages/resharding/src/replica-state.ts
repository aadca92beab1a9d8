import type { Call, Clock, Rows, SqlShard, SqlValue, Statement } from '@stoa/kernel'

import type { Condition } from './gate.ts'
import type { FeedLimits, FeedSafeguards } from './replica-options.ts'
import { type MirrorJob, type MirrorPiece, type PrimaryPiece } from './replica-pieces.ts'
import type { Table } from './tables.ts'
import type { Stride } from './walk.ts'

/** All that one `advance` works with. */
export type FeedContext = {
  readonly primary: SqlShard
  readonly replica: SqlShard
  readonly clock: Clock
  readonly limits: FeedLimits
  readonly safeguards: FeedSafeguards
  readonly tables: readonly Table[]
  /** Of the primary's schema, when the tables were read. */
  readonly mark: string
  /** How much to copy at a time; it learns. */
  readonly stride: Stride
  readonly call: Call
}

/** The name under which a replica's own copying lies in `_mv_chunk`, and passes the row triggers. */
export const feedJob = '_replica'

/** A replica's own word of how far it is. */
export type ReplicaState = {
  readonly primary: string
  readonly incarnation: string
  readonly version: number
  readonly applied: number
  readonly owners: number
  readonly at: number
  /** Pieces by what is to be done with them. */
  readonly wanted: number
  readonly copying: number
  readonly leaving: number
}

export const selectState: Statement = {
  sql: `SELECT r.primary_name, r.incarnation, r.version, r.applied, r.owners, r.at,
  o.wanted, o.copying, o.leaving FROM _replica AS r CROSS JOIN (SELECT
  count(*) FILTER (WHERE job = 'wanted') AS wanted, count(*) FILTER (WHERE job = 'copying') AS copying,
  count(*) FILTER (WHERE job = 'leaving') AS leaving FROM _slot_owner) AS o WHERE r.id = 1`,
  args: [],
}

/** Reads the answer to {@link selectState}; `undefined` when the database is nobody's replica. */
export function stateOf(rows: Rows | undefined): ReplicaState | undefined {
  const [row] = rows?.rows ?? []
  if (row === undefined) return undefined
  const [version = 0, applied = 0, owners = 0, at = 0, wanted = 0, copying = 0, leaving = 0] = row
    .slice(2)
    .map(Number)
  return {
    primary: String(row[0]),
    incarnation: String(row[1]),
    version,
    applied,
    owners,
    at,
    wanted,
    copying,
    leaving,
  }
}

/** What a primary says of itself and of the replica, in the snapshot of what is read with it. */
export type Head = {
  readonly newest: number
  readonly incarnation: string | undefined
  /** Up to where it thinks the replica is; `undefined` when it does not feed it. */
  readonly fed: number | undefined
  readonly mark: string
}

/** Another whenever an object of the schema was made, dropped or altered. */
export const schemaMarkOf =
  "(SELECT count(*) || '.' || max(rowid) || '.' || sum(length(sql)) FROM sqlite_schema)"

export function selectHead(replica: string): Statement {
  return {
    sql: `SELECT (SELECT coalesce(max(seq), 0) FROM _cdc), (SELECT incarnation FROM _shard_meta WHERE id = 1),
  (SELECT applied FROM _replica_feed WHERE name = ? AND (SELECT capture FROM _fence)), ${schemaMarkOf}`,
    args: [replica],
  }
}

export function headOf(rows: Rows | undefined): Head {
  const [newest, incarnation, fed, mark] = rows?.rows[0] ?? []
  return {
    newest: Number(newest ?? 0),
    incarnation: typeof incarnation === 'string' ? incarnation : undefined,
    fed: fed === null || fed === undefined ? undefined : Number(fed),
    mark: String(mark),
  }
}

/** Holds while nobody has fed the replica since it was read. */
export function isVersion({ safeguards }: FeedContext, version: number): Condition {
  if (!safeguards.versionGuard) return { sql: '1', args: [] }
  return {
    sql: 'EXISTS (SELECT 1 FROM _replica WHERE id = 1 AND version = ?)',
    args: [version],
  }
}

/** What every batch of a feed ends with. */
export const raiseVersion: Statement = {
  sql: 'UPDATE _replica SET version = version + 1 WHERE id = 1',
  args: [],
}

function textOf(value: SqlValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

export function primaryPieces(rows: Rows | undefined): readonly PrimaryPiece[] {
  return (rows?.rows ?? []).map(([lo, hi, epoch, state, peer]) => ({
    lo: textOf(lo),
    hi: textOf(hi),
    epoch: Number(epoch),
    state: textOf(state),
    peer: typeof peer === 'string' ? peer : null,
  }))
}

const jobs: ReadonlySet<SqlValue> = new Set<MirrorJob>(['wanted', 'copying', 'leaving'])

function jobIn(value: SqlValue | undefined): MirrorJob {
  // Nobody else writes this column in a replica.
  return jobs.has(value ?? null) ? (value as MirrorJob) : null
}

export function mirrorPieces(rows: Rows | undefined): readonly MirrorPiece[] {
  const found = rows?.rows ?? []
  return primaryPieces(rows).map((piece, index) => ({ ...piece, job: jobIn(found[index]?.[5]) }))
}

/** Every piece of the slots that `slots`, a SELECT of one column, names. */
export function piecesOf(slots: string): string {
  return `SELECT o.lo, o.hi, o.epoch, o.state, o.peer, o.job FROM (${slots}) AS s CROSS JOIN _slot_owner AS o
WHERE o.lo >= s.slot AND o.lo < s.slot || '~' ORDER BY o.lo`
}

/** Puts pieces into a replica. */
export function insertMirror(pieces: readonly MirrorPiece[]): Statement {
  return {
    sql: `INSERT INTO _slot_owner (lo, hi, epoch, state, peer, job)
SELECT value ->> 'lo', value ->> 'hi', value ->> 'epoch', value ->> 'state', value ->> 'peer', value ->> 'job'
FROM json_each(?)`,
    args: [JSON.stringify(pieces)],
  }
}
