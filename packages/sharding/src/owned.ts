import {
  keyText,
  type Rows,
  ShardFencedError,
  slotOfKey,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'

import { readableStates } from './ownership.ts'
import type { Query } from './router.ts'
import type { Placement, ShardInfo } from './topology.ts'

/** Asks the shard itself whether it owns the keys at the epochs and incarnation that the map believes. */
export function guard(placements: readonly Placement[], { incarnation }: ShardInfo): Statement {
  const keys = placements.map(({ key, epoch }) => [keyText(key), epoch])
  return {
    sql: 'INSERT INTO _guard (key, epoch, incarnation) SELECT value ->> 0, value ->> 1, ? FROM json_each(?)',
    args: [incarnation, JSON.stringify(keys)],
  }
}

/** A query over the keys from `key` to `to`. */
export type RangeQuery = Query & { readonly to?: string }

const pieceOfKey = 'lo >= ? AND lo <= ? AND ? < hi'
/** A part that is not this shard's comes before the piece in which the range begins: it begins later. */
const pieceOfRange = `lo >= ? AND lo < ? AND ? < hi AND (lo <= ? OR state NOT IN ${readableStates})`

/**
 * Wraps a SELECT so that it says in the same row set whether the shard owns the key: a row always comes back, with
 * the state first and a mark that tells an empty result from a row of nulls.
 */
export function owned({ key, to, statement }: RangeQuery): Statement {
  const from = keyText(key)
  const slot = from.slice(0, 3)
  return {
    sql: `SELECT o.state, o.epoch, o.peer, q.* FROM (SELECT 1) LEFT JOIN (SELECT state, epoch, peer FROM _slot_owner
WHERE ${to === undefined ? pieceOfKey : pieceOfRange} ORDER BY lo DESC LIMIT 1) o
LEFT JOIN (SELECT 1 AS hit, t.* FROM (${statement.sql}) t) q ON o.state IN ${readableStates}`,
    args: [slot, ...(to === undefined ? [from, from] : [to, from, from]), ...statement.args],
  }
}

const readable: ReadonlySet<SqlValue> = new Set(['serving', 'migrating', 'frozen'])

export function unwrap(rows: Rows, query: RangeQuery, shard: string): Rows {
  const [first] = rows.rows
  const [state, epoch, peer] = first ?? []
  if (!readable.has(state ?? null)) {
    throw new ShardFencedError(shard, {
      key: keyText(query.key),
      slot: slotOfKey(query.key),
      epoch: Number(epoch ?? 0),
      state: state === 'importing' || state === 'handed_off' ? state : 'unknown',
      // Of a range it may be a part that is elsewhere, and not where it begins: only a newer map tells.
      peer: typeof peer === 'string' && query.to === undefined ? peer : undefined,
    })
  }
  return {
    columns: rows.columns.slice(4),
    rows: rows.rows.filter((row) => row[3] === 1).map((row) => row.slice(4)),
    rowsAffected: 0,
  }
}

/** What a database says of the piece that it was asked for, in an answer to {@link owned}. */
export function pieceIn(rows: Rows | undefined): {
  readonly isReadable: boolean
  readonly epoch: number
} {
  const [state, epoch] = rows?.rows[0] ?? []
  return { isReadable: readable.has(state ?? null), epoch: Number(epoch ?? 0) }
}
