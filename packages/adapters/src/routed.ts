import type { Call, RouteKey } from '@stoa/kernel'
import type { Router, Scattered, ScatterQuery } from '@stoa/sharding'
import type { BatchItem } from 'drizzle-orm/batch'

import { type Answers, type Item, send } from './drizzle.ts'

type Query = BatchItem<'sqlite'>

/** The rows of one key: typed drizzle queries that go to the shard which owns it. */
export type KeyedQueries = {
  /** Runs one SELECT, checked for ownership in the same statement. One round trip. @see Router.read */
  read<Q extends Query>(query: Q, call: Call): Promise<Q['_']['result']>
  /** Runs drizzle queries and plain statements as one transaction behind the fence. One round trip. @see Router.write */
  write<const T extends readonly Item[]>(items: T, call: Call): Promise<Answers<T>>
}

/** A router that takes and answers drizzle's queries. */
export type DrizzleRouter = {
  on(key: RouteKey): KeyedQueries
  /** Reads of many keys: one round trip for each shard touched, at most five at a time. @see Router.readMany */
  batch<Q extends Query>(
    queries: readonly { readonly key: RouteKey; readonly query: Q }[],
    call: Call,
  ): Promise<readonly Q['_']['result'][]>
  /** Asks every shard, and merges. `select` builds a plain statement. @see Router.scatter */
  scatter(query: ScatterQuery, call: Call): Promise<Scattered>
}

function single<T>(answers: readonly T[]): T {
  const [answer] = answers
  if (answer === undefined) throw new Error('Cannot read: the shard gave no rows for the query')
  return answer
}

/** Puts drizzle's types over `router`. Costs nothing by itself. */
export function drizzleRouter(router: Router): DrizzleRouter {
  return {
    on: (key) => ({
      read: async (query, call) => {
        const answers = await send([query], (statements) =>
          router.readMany(
            statements.map((each) => ({ key, statement: each })),
            call,
          ),
        )
        return single(answers)
      },
      write: (items, call) => send(items, (statements) => router.write(key, statements, call)),
    }),
    batch: (queries, call) =>
      send(
        queries.map(({ query }) => query),
        (statements) => {
          const keys = queries.values()
          return router.readMany(
            statements.map((each) => ({ key: keys.next().value?.key ?? 0, statement: each })),
            call,
          )
        },
      ),
    scatter: (query, call) => router.scatter(query, call),
  }
}
