import type { Call, Rows, SqlShard, Statement } from '@stoa/kernel'
import type { Topology } from '@stoa/sharding'

import { MoveNotFoundError } from './faults.ts'
import type { Move, MovePhase, MoveSpec } from './job.ts'

const columns = 'id, keyspace, phase, spec, version, created_at, updated_at, note'

const selectTopology: Statement = {
  sql: 'SELECT version, document FROM topology WHERE id = 1',
  args: [],
}

function moveOf(row: Rows['rows'][number]): Move {
  const [id, keyspace, phase, spec, version, createdAt, updatedAt, note] = row
  return {
    id: String(id),
    keyspace: String(keyspace),
    // Both were written by this module.
    phase: String(phase) as MovePhase,
    spec: JSON.parse(String(spec)) as MoveSpec,
    version: Number(version),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    note: note === null || note === undefined ? undefined : String(note),
  }
}

function topologyOf(rows: Rows | undefined): Topology {
  const [row] = rows?.rows ?? []
  if (row === undefined) return { version: 0, keyspaces: {} }
  return { version: Number(row[0]), keyspaces: JSON.parse(String(row[1])) as Topology['keyspaces'] }
}

/** One round trip. */
export async function readTopology(meta: SqlShard, call: Call): Promise<Topology> {
  const [rows] = await meta.batch([selectTopology], 'read', call)
  return topologyOf(rows)
}

/** A move and the topology. One round trip. @throws MoveNotFoundError */
export async function readMove(
  meta: SqlShard,
  id: string,
  call: Call,
): Promise<{ readonly move: Move; readonly topology: Topology }> {
  const select = { sql: `SELECT ${columns} FROM reshard_job WHERE id = ?`, args: [id] }
  const [jobs, topology] = await meta.batch([select, selectTopology], 'read', call)
  const [row] = jobs?.rows ?? []
  if (row === undefined) throw new MoveNotFoundError(id)
  return { move: moveOf(row), topology: topologyOf(topology) }
}

/** Writes a new move, unless there is one of its id; answers the one that is there. One round trip. */
export async function insertMove(
  meta: SqlShard,
  { id, keyspace, spec, createdAt }: Pick<Move, 'id' | 'keyspace' | 'spec' | 'createdAt'>,
  call: Call,
): Promise<Move> {
  const insert = {
    sql: `INSERT INTO reshard_job (${columns}) VALUES (?, ?, 'planned', ?, 1, ?, ?, NULL) ON CONFLICT DO NOTHING`,
    args: [id, keyspace, JSON.stringify(spec), createdAt, createdAt],
  }
  const select = { sql: `SELECT ${columns} FROM reshard_job WHERE id = ?`, args: [id] }
  const [, rows] = await meta.batch([insert, select], 'write', call)
  const [row] = rows?.rows ?? []
  if (row === undefined) throw new MoveNotFoundError(id)
  return moveOf(row)
}

export type Turn = {
  readonly phase: MovePhase
  /** Replaces what was noted before, unless there is nothing to say. */
  readonly note: string | undefined
  readonly at: number
}

/** Brings a move into a phase if it is still as `move` says; answers it as it is then. One round trip. */
export async function turnMove(
  meta: SqlShard,
  { move, turn }: { readonly move: Move; readonly turn: Turn },
  call: Call,
): Promise<Move> {
  const update = {
    sql: `UPDATE reshard_job SET phase = ?, note = coalesce(?, note), version = version + 1, updated_at = ?
WHERE id = ? AND version = ?`,
    args: [turn.phase, turn.note ?? null, turn.at, move.id, move.version],
  }
  const select = { sql: `SELECT ${columns} FROM reshard_job WHERE id = ?`, args: [move.id] }
  const [, rows] = await meta.batch([update, select], 'write', call)
  const [row] = rows?.rows ?? []
  if (row === undefined) throw new MoveNotFoundError(move.id)
  return moveOf(row)
}

/** Replaces the topology if it is still of this version; false when it has changed meanwhile. One round trip. */
export async function writeTopology(
  meta: SqlShard,
  { topology, at }: { readonly topology: Topology; readonly at: number },
  call: Call,
): Promise<boolean> {
  const { version, keyspaces } = topology
  const update = {
    sql: 'UPDATE topology SET version = ?, document = ?, changed_at = ? WHERE id = 1 AND version = ?',
    args: [version + 1, JSON.stringify(keyspaces), at, version],
  }
  const [rows] = await meta.batch([update], 'write', call)
  return rows?.rowsAffected === 1
}
