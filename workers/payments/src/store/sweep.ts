import type { Call, SqlShard, Statement } from '@stoa/kernel'

import { takenMax } from '../domain/sweep.ts'

/** How far back entries without a seal are looked for, in milliseconds: a sweep comes every minute. */
const sealWindowMs = 60 * 60 * 1_000

async function firstColumn(
  shard: SqlShard,
  statement: Statement,
  call: Call,
): Promise<readonly string[]> {
  const [rows] = await shard.batch([statement], 'read', call)
  return (rows?.rows ?? []).map(([id]) => String(id))
}

/** What is found may have moved since: it is read again by its key before anything is done. */
export function openIn(shard: SqlShard, before: number, call: Call): Promise<readonly string[]> {
  const sql = `SELECT id FROM payment WHERE open_since <= ? ORDER BY open_since LIMIT ${takenMax}`
  return firstColumn(shard, { sql, args: [before] }, call)
}

export function unsealedIn(shard: SqlShard, now: number, call: Call): Promise<readonly string[]> {
  const sql = `SELECT DISTINCT account FROM journal WHERE at >= ? AND NOT EXISTS (
  SELECT 1 FROM seal WHERE seal.account = journal.account AND seal.seq >= journal.seq) LIMIT ${takenMax}`
  return firstColumn(shard, { sql, args: [now - sealWindowMs] }, call)
}
