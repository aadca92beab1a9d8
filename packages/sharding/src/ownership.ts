/**
 * SQL that asks a shard whom a key belongs to. The piece that holds a key is, of those that do, the one that begins
 * last: overrides lie inside their slot, and no two pieces begin at one key. A piece lies in one slot, so nothing before
 * the slot's own text can hold the key.
 */

/** States in which a shard takes writes for a key. */
export const writableStates = "('serving', 'migrating')"

/** States in which a shard may be asked for a key: its rows cannot change elsewhere. */
export const readableStates = "('serving', 'migrating', 'frozen')"

/** A scalar subquery: `column` of the piece that holds `key`, a SQL expression that is used three times; NULL when none does. */
export function ownerOf(key: string, column: 'lo' | 'epoch' | 'state' | 'peer' | 'job'): string {
  return `(SELECT ${column} FROM _slot_owner WHERE lo >= substr(${key}, 1, 3) AND lo <= ${key} AND ${key} < hi ORDER BY lo DESC LIMIT 1)`
}

/**
 * A condition for statements that sweep a whole shard: the row of `key` is this shard's to write. One frozen slot then
 * stops no sweep, and rows that were handed off stay as they are.
 */
export function isWritable(key: string): string {
  return `${ownerOf(key, 'state')} IN ${writableStates}`
}
