import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { drizzleOn, rowsOf, statement } from '@stoa/adapters/libsql'
import { counter } from '@stoa/data/stats'
import { eq, sql } from 'drizzle-orm'

import type { Counters } from '../domain/ports.ts'

/** Builds queries and runs none: the router decides where each goes. */
const db = drizzleOn()

export function countersOf({ router }: Pick<KeyspaceAccess, 'router'>): Counters {
  return {
    get: async (subject, call) => {
      const query = db
        .select({ metric: counter.metric, n: counter.n })
        .from(counter)
        .where(eq(counter.subject, subject))
      const rows = await router.read(subject, statement(query), call)
      return Object.fromEntries(
        (await rowsOf(query, rows)).map(({ metric, n }) => [metric, n] as const),
      )
    },
    raise: (event, increments) => {
      const raised = db
        .insert(counter)
        .values(increments.map(({ subject, metric, by }) => ({ subject, metric, n: by })))
        .onConflictDoUpdate({
          target: [counter.subject, counter.metric],
          set: { n: sql`${counter.n} + excluded.n` },
        })
      return {
        event,
        key: increments[0].subject,
        statements: [statement(raised)],
        events: [],
      }
    },
  }
}
