import type { Call, SqlShard } from '@stoa/kernel'

import { settledMax } from '../domain/settle.ts'

/** The moves that change owners, or give back, and have not been written since `before`. One round trip to `meta`. */
export async function abandonedMoves(
  meta: SqlShard,
  before: number,
  call: Call,
): Promise<readonly string[]> {
  const query = {
    sql: `SELECT id FROM reshard_job
WHERE phase IN ('cutover', 'aborting', 'reversing') AND updated_at <= ? ORDER BY updated_at LIMIT ?`,
    args: [before, settledMax],
  }
  const [rows] = await meta.batch([query], 'read', call)
  return (rows?.rows ?? []).map(([id]) => String(id))
}
