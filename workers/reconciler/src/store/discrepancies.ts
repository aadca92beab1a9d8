import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { SqlValue } from '@stoa/kernel'
import { type Ageing, type Desk, discrepanciesFrom, discrepancyColumns } from '@stoa/reconciliation'

import type { DiscrepancyFilter, DiscrepancyList } from '../domain/ports.ts'

const closed: ReadonlySet<unknown> = new Set(['resolved', 'dismissed'])

function conditionsOf(filter: DiscrepancyFilter): readonly (readonly [string, SqlValue])[] {
  const wanted: readonly (readonly [string, SqlValue | undefined])[] = [
    ['class = ?', filter.class],
    ['state = ?', filter.state],
    ['comparison = ?', filter.comparison],
    ['assignee = ?', filter.assignee],
    ['first_seen_at <= ?', filter.seenBefore],
  ]
  return wanted.flatMap(([sql, value]) => (value === undefined ? [] : [[sql, value] as const]))
}

function sumUp(parts: readonly Ageing[]): readonly Ageing[] {
  const sums = new Map<string, Ageing>()
  for (const part of parts) {
    const key = [part.class, part.state, part.age].join()
    const known = sums.get(key)
    const [count, amount] = [part.count + (known?.count ?? 0), part.amount + (known?.amount ?? 0)]
    sums.set(key, { ...part, count, amount })
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum)
}

export function discrepancyList(
  { router }: Pick<KeyspaceAccess, 'router'>,
  desk: Desk,
): DiscrepancyList {
  return {
    list: async (filter, { after = { firstSeenAt: -1, id: '' }, limit }, call) => {
      const conditions = conditionsOf(filter)
      const isClosed = closed.has(filter.state) ? 'IS NOT NULL' : 'IS NULL'
      const where = conditions.map(([condition]) => `AND ${condition}`).join(' ')
      const { rows } = await router.scatter(
        {
          select: (isOwned) => ({
            sql: `SELECT ${discrepancyColumns} FROM discrepancy WHERE closed_at ${isClosed} AND (first_seen_at, id) > (?, ?)
AND ${isOwned('id')} ${where} ORDER BY first_seen_at, id LIMIT ?`,
            args: [after.firstSeenAt, after.id, ...conditions.map(([, value]) => value), limit],
          }),
          order: [{ column: 'first_seen_at' }, { column: 'id' }],
          limit,
          unreachable: 'fail',
        },
        call,
      )
      return discrepanciesFrom(rows)
    },
    ageing: async (call) => {
      const parts: Ageing[] = []
      for (const shard of await router.shards(call)) parts.push(...(await desk.ageing(shard, call)))
      return sumUp(parts)
    },
  }
}
