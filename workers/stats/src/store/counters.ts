import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { drizzleOn, rowsOf, statement } from '@stoa/adapters/libsql'
import { counter } from '@stoa/data/stats'
import { eq, sql } from 'drizzle-orm'

import type { Counters } from '../domain/ports.ts'

/** Builds queries and runs none: the router decides where each goes. */
const db = drizzleOn()

function countsOf(subject: string) {
  return db
    .select({ metric: counter.metric, n: counter.n })
    .from(counter)
    .where(eq(counter.subject, subject))
}

export function countersOf({ router }: Pick<KeyspaceAccess, 'router'>): Counters {
  return {
    getMany: async (subjects, call) => {
      const queries = subjects.map((key) => ({ key, query: countsOf(key) }))
      const answers = await router.readMany(
        queries.map(({ key, query }) => ({ key, statement: statement(query) })),
        call,
      )
      return Promise.all(
        queries.map(async ({ query }, index) => {
          const rows = answers[index]
          const counts = rows === undefined ? [] : await rowsOf(query, rows)
          return Object.fromEntries(counts.map(({ metric, n }) => [metric, n] as const))
        }),
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
