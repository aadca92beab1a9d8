import { type Call, type SqlShard, type Statement } from '@stoa/kernel'
import { isWritable } from '@stoa/sharding'

const dayMs = 24 * 60 * 60 * 1_000

/** How long events that were published are kept: what a consumer lacks is sent again from them. */
export const sentKeptMs = 7 * dayMs

/** How long inbox rows are kept: longer than the queue redelivers, keeps dead letters, and a person takes to replay. */
export const inboxKeptMs = 90 * dayMs

/** How long the barrier rows of a saga are kept after its end, and the saga itself, a week longer: it proves the end. */
export const barrierKeptMs = 30 * dayMs
export const sagaKeptMs = 37 * dayMs

/** Consumers of money: what they have heard once they never hear again, whenever it comes. */
export const moneyConsumers: readonly string[] = ['payments']

/** Rows of one table in one batch: the write lock is held for milliseconds. */
export const pruneChunk = 500

/** The most chunks of one pass over a database. */
const chunksMax = 10

/** The names of rows that may go, `?` first the time; each found by an index, and only where this shard serves them. */
function deletions(now: number): readonly Statement[] {
  const money = moneyConsumers
    .map((name) => `AND consumer <> '${name}' AND consumer NOT GLOB '${name}:*'`)
    .join(' ')
  return [
    {
      sql: `DELETE FROM idempotency WHERE n IN (
  SELECT n FROM idempotency WHERE expires_at <= ? AND lease_until <= ? AND ${isWritable('slot')} ORDER BY expires_at LIMIT ?)`,
      args: [now, now, pruneChunk],
    },
    {
      sql: `DELETE FROM outbox WHERE n IN (
  SELECT n FROM outbox WHERE state = 'sent' AND sent_at <= ? AND ${isWritable('okey')} ORDER BY sent_at LIMIT ?)`,
      args: [now - sentKeptMs, pruneChunk],
    },
    {
      sql: `DELETE FROM inbox WHERE (slot, consumer, event_id) IN (
  SELECT slot, consumer, event_id FROM inbox WHERE at <= ? ${money} AND ${isWritable('slot')} ORDER BY at LIMIT ?)`,
      args: [now - inboxKeptMs, pruneChunk],
    },
    {
      sql: `DELETE FROM parked WHERE n IN (
  SELECT parked.n FROM parked JOIN inbox_cursor USING (slot, consumer, okey)
  WHERE parked.seq <= inbox_cursor.seq AND ${isWritable('parked.slot')} LIMIT ?)`,
      args: [pruneChunk],
    },
    {
      sql: `DELETE FROM saga WHERE n IN (
  SELECT n FROM saga WHERE finished_at <= ? AND ${isWritable('id')} LIMIT ?)`,
      args: [now - sagaKeptMs, pruneChunk],
    },
  ]
}

/**
 * Deletes what may go from one database, in chunks of 500 rows a table, at most 10: keys that have expired, events
 * published 7 days ago, inbox rows of 90 days but those of money, parked events that were applied, sagas that ended
 * 37 days ago. Cursors stay. Safe to repeat, and to die in.
 *
 * Costs one round trip for each chunk. Answers how many rows went.
 */
export async function pruneShard(shard: SqlShard, now: number, call: Call): Promise<number> {
  let pruned = 0
  for (let chunk = 0; chunk < chunksMax; chunk += 1) {
    const answers = await shard.batch(deletions(now), 'write', call)
    pruned += answers.reduce((sum, { rowsAffected }) => sum + rowsAffected, 0)
    if (answers.every(({ rowsAffected }) => rowsAffected < pruneChunk)) break
  }
  return pruned
}

export type BarrierOptions = {
  readonly now: number
  /** Where in the keys to begin: another place each time, so that all are seen by and by. */
  readonly from: string
  /** Those of `gids` whose saga ended at or before a time; one that no database knows is none of them. */
  readonly endedBefore: (
    gids: readonly string[],
    time: number,
    call: Call,
  ) => Promise<readonly string[]>
}

/**
 * Deletes barrier rows of sagas that ended 30 days ago, among the 200 from a place on: never by their age alone, for a
 * late try would then pass. Costs one round trip when there is nothing, else two and what `endedBefore` costs.
 */
export async function pruneBarriers(
  shard: SqlShard,
  { now, from, endedBefore }: BarrierOptions,
  call: Call,
): Promise<number> {
  const before = now - barrierKeptMs
  const old = {
    sql: `SELECT DISTINCT gid FROM (
  SELECT gid, at FROM barrier WHERE slot >= ? AND ${isWritable('slot')} ORDER BY slot LIMIT 200) WHERE at <= ?`,
    args: [from, before],
  }
  const [rows] = await shard.batch([old], 'read', call)
  const gids = (rows?.rows ?? []).map(([gid]) => String(gid))
  if (gids.length === 0) return 0
  const ended = await endedBefore(gids, before, call)
  if (ended.length === 0) return 0
  const forget = {
    // All rows of a branch or none, also where the 200 end within it: what is left of one would let a repeat through.
    sql: `DELETE FROM barrier WHERE (slot, gid) IN (
  SELECT slot, gid FROM (SELECT slot, gid FROM barrier WHERE slot >= ? ORDER BY slot LIMIT 200)
  WHERE gid IN (SELECT value FROM json_each(?)) AND ${isWritable('slot')})`,
    args: [from, JSON.stringify(ended)],
  }
  const [answer] = await shard.batch([forget], 'write', call)
  return answer?.rowsAffected ?? 0
}
