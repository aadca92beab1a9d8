import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { SqlValue } from '@stoa/kernel'
import type {
  Action,
  Ageing,
  BreakClass,
  Desk,
  Discrepancy,
  DiscrepancyState,
} from '@stoa/reconciliation'

import type { DiscrepancyFilter, DiscrepancyList } from '../domain/ports.ts'

const columns = `id, comparison, class, key, state, action, amount, detail, occurrence, version, first_seen_at, due_at,
  attempts, assignee, proposed, maker, checker, note`

const closed: ReadonlySet<unknown> = new Set(['resolved', 'dismissed'])

function optional(value: SqlValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** What the table holds was written by the package, whose types these are. */
function discrepancyOf(row: readonly SqlValue[]): Discrepancy {
  return {
    id: String(row[0]),
    comparison: String(row[1]),
    class: String(row[2]) as BreakClass,
    key: String(row[3]),
    state: String(row[4]) as DiscrepancyState,
    action: String(row[5]) as Action,
    amount: Number(row[6]),
    detail: String(row[7]),
    occurrence: Number(row[8]),
    version: Number(row[9]),
    firstSeenAt: Number(row[10]),
    dueAt: row[11] === null ? undefined : Number(row[11]),
    attempts: Number(row[12]),
    assignee: optional(row[13]),
    proposed: optional(row[14]) as Discrepancy['proposed'],
    maker: optional(row[15]),
    checker: optional(row[16]),
    note: optional(row[17]),
  }
}

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
            sql: `SELECT ${columns} FROM discrepancy WHERE closed_at ${isClosed} AND (first_seen_at, id) > (?, ?)
AND ${isOwned('id')} ${where} ORDER BY first_seen_at, id LIMIT ?`,
            args: [after.firstSeenAt, after.id, ...conditions.map(([, value]) => value), limit],
          }),
          order: [{ column: 'first_seen_at' }, { column: 'id' }],
          limit,
          unreachable: 'fail',
        },
        call,
      )
      return rows.rows.map(discrepancyOf)
    },
    ageing: async (call) => {
      const parts: Ageing[] = []
      for (const shard of await router.shards(call)) parts.push(...(await desk.ageing(shard, call)))
      return sumUp(parts)
    },
  }
}
