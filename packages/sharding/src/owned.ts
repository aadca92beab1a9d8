import { keyText, type Rows, ShardFencedError, slotOfKey, type Statement } from '@stoa/kernel'

import { readableStates } from './ownership.ts'
import type { Query } from './router.ts'
import type { Placement, ShardInfo } from './topology.ts'

/** Asks the shard itself whether it owns the keys at the epochs and incarnation that the map believes. */
export function guard(placements: readonly Placement[], { incarnation }: ShardInfo): Statement {
  const into = 'INSERT INTO _guard (key, epoch, incarnation)'
  const [only, ...others] = placements
  if (only !== undefined && others.length === 0)
    return { sql: `${into} VALUES (?, ?, ?)`, args: [keyText(only.key), only.epoch, incarnation] }
  const keys = placements.map(({ key, epoch }) => [keyText(key), epoch])
  return {
    sql: `${into} SELECT value ->> 0, value ->> 1, ? FROM json_each(?)`,
    args: [incarnation, JSON.stringify(keys)],
  }
}

/** A query over the keys from `key` to `to`. */
export type RangeQuery = Query & { readonly to?: string }

const pieceOfKey = 'lo >= substr(?1, 1, 3) AND lo <= ?1 AND ?1 < hi'
/** A part that is not this shard's comes before the piece in which the range begins: it begins later. */
const pieceOfRange = `lo >= substr(?1, 1, 3) AND lo < ?2 AND ?1 < hi AND (lo <= ?1 OR state NOT IN ${readableStates})`

/**
 * Wraps a SELECT so that it says in the same row set whether the shard owns the key: a row always comes back, with
 * the piece first and a mark that tells an empty result from a row of nulls. The bindings of the SELECT follow, and
 * must be plain `?`.
 *
 * A scalar subquery, which the engine runs once and in place: a joined one would be written to a table first.
 */
export function owned({ key, to, statement }: RangeQuery): Statement {
  const from = keyText(key)
  return {
    sql: `SELECT (SELECT state || '|' || epoch || '|' || ifnull(peer, '') FROM _slot_owner
WHERE ${to === undefined ? pieceOfKey : pieceOfRange} ORDER BY lo DESC LIMIT 1) _o, q.*
FROM (SELECT 1) LEFT JOIN (SELECT '' _r, t.* FROM (${statement.sql}) t) q`,
    args: [from, ...(to === undefined ? [] : [to]), ...statement.args],
  }
}

const readable: ReadonlySet<string> = new Set(['serving', 'migrating', 'frozen'])

/** What the shard said of the piece, in the first column of every row; nothing where it knows none. */
function pieceSaid(rows: Rows | undefined): string {
  const said = rows?.rows[0]?.[0]
  return typeof said === 'string' ? said : ''
}

/** Whether it is readable, by its first word: the rest is read of those alone that are not. */
function isReadable(said: string): boolean {
  return readable.has(said.slice(0, said.indexOf('|')))
}

function fencedOf(said: string, query: RangeQuery, shard: string): ShardFencedError {
  const [state, epoch = '0', peer = ''] = said.split('|')
  return new ShardFencedError(shard, {
    key: keyText(query.key),
    slot: slotOfKey(query.key),
    epoch: Number(epoch),
    state: state === 'importing' || state === 'handed_off' ? state : 'unknown',
    // Of a range it may be a part that is elsewhere, and not where it begins: only a newer map tells.
    peer: peer !== '' && query.to === undefined ? peer : undefined,
  })
}

/** @throws ShardFencedError when the shard does not serve what `query` asks for. */
export function unwrap(rows: Rows, query: RangeQuery, shard: string): Rows {
  const said = pieceSaid(rows)
  if (!isReadable(said)) throw fencedOf(said, query, shard)
  const found: Rows['rows'][number][] = []
  for (const row of rows.rows) if (row[1] === '') found.push(row.slice(2))
  return { columns: rows.columns.slice(2), rows: found, rowsAffected: 0 }
}

/** What a database says of the piece that it was asked for, in an answer to {@link owned}. */
export function pieceIn(rows: Rows | undefined): {
  readonly isReadable: boolean
  readonly epoch: number
} {
  const said = pieceSaid(rows)
  const [, epoch = '0'] = said.split('|')
  return { isReadable: isReadable(said), epoch: Number(epoch) }
}
