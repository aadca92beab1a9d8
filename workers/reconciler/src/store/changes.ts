import type { Change } from '../domain/plan.ts'
import type { TierDeps } from '../domain/tiers.ts'
import type { ReaderOf } from './pages.ts'

/** More changes than these are not looked at one by one. */
const changesMax = 5_000

/**
 * What aggregates have said in a while, and what waits to be said: the outbox keeps it for a week, and finds it by the
 * time of sending. One round trip to each shard.
 */
export function changesOf(readerOf: ReaderOf): TierDeps['changes'] {
  return async (keyspace, { from, to, types }, call) => {
    const { rows } = await readerOf(keyspace).scatter(
      {
        select: (isOwned) => {
          const marks = types.map(() => '?').join(', ')
          const where = `type IN (${marks}) AND ${isOwned('okey')}`
          return {
            sql: `SELECT id AS id, okey AS okey, type AS type, payload AS payload FROM outbox INDEXED BY outbox_sent
WHERE state = 'sent' AND sent_at >= ? AND sent_at < ? AND ${where}
UNION ALL SELECT id, okey, type, payload FROM outbox INDEXED BY outbox_ready
WHERE state = 'ready' AND next_at < ? AND ${where} ORDER BY id LIMIT ?`,
            args: [from, to, ...types, to, ...types, changesMax],
          }
        },
        order: [{ column: 'id' }],
        limit: changesMax,
        unreachable: 'fail',
      },
      call,
    )
    return rows.rows.map(([event, aggregate, type, payload]): Change => ({
      event: String(event),
      aggregate: String(aggregate),
      type: String(type),
      // Written by its producer from an event that was typed.
      data: JSON.parse(String(payload)) as Change['data'],
    }))
  }
}
