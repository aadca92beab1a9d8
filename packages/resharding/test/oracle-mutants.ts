import type { Rows } from '@stoa/kernel'
import { mergeRows, ownerOf, readableStates, type Router, type ScatterQuery } from '@stoa/sharding'

import type { OracleMutant } from './oracle-life.ts'
import { call } from './world.ts'

const isOwned = (keyColumn: string) => `${ownerOf(keyColumn, 'state')} IN ${readableStates}`

/** The same router, but for how it scatters. */
function scattering(router: Router, rowsOf: (query: ScatterQuery) => Promise<Rows>): Router {
  return {
    write: (...asked) => router.write(...asked),
    writeAll: (...asked) => router.writeAll(...asked),
    read: (...asked) => router.read(...asked),
    readMany: (...asked) => router.readMany(...asked),
    readRange: (...asked) => router.readRange(...asked),
    groups: (...asked) => router.groups(...asked),
    shardOf: (...asked) => router.shardOf(...asked),
    shards: (...asked) => router.shards(...asked),
    session: (...asked) => router.session(...asked),
    scatter: async (query) => ({ rows: await rowsOf(query), missing: [] }),
  }
}

const endless = 1_000_000

/** All rows of all shards, in order: what a wrong merge makes its page of. The limit is bound last. */
async function everything(router: Router, query: ScatterQuery): Promise<Rows> {
  const select: ScatterQuery['select'] = (owned) => {
    const { sql, args } = query.select(owned)
    return { sql, args: [...args.slice(0, -1), endless] }
  }
  return (await router.scatter({ ...query, select, limit: endless }, call)).rows
}

/** Whatever each shard says that it serves, at whatever moment it says so. */
async function trusting(router: Router, query: ScatterQuery): Promise<Rows> {
  const shards = await router.shards(call)
  const sets: Rows[] = []
  for (const shard of shards)
    sets.push(...(await shard.batch([query.select(isOwned)], 'read', call)))
  return mergeRows(sets, query)
}

/** One shard after the other. */
async function concatenated(router: Router, query: ScatterQuery): Promise<Rows> {
  const all = await everything(router, query)
  const key = all.columns.indexOf('id')
  const named = await Promise.all(
    all.rows.map(async (row) => ({ row, shard: await router.shardOf(String(row[key]), call) })),
  )
  const sets = [...Map.groupBy(named, ({ shard }) => shard)].toSorted(([one], [other]) =>
    one < other ? -1 : 1,
  )
  const rows = sets.flatMap(([, set]) => set.map(({ row }) => row))
  return { ...all, rows: rows.slice(0, query.limit) }
}

/** Text in the order of JavaScript. */
async function byUnits(router: Router, query: ScatterQuery): Promise<Rows> {
  const all = await everything(router, query)
  const compare = (one: Rows['rows'][number], other: Rows['rows'][number]): number => {
    for (const { column, descending } of query.order) {
      const index = all.columns.indexOf(column)
      const [a, b] = [one[index] ?? null, other[index] ?? null]
      if (a === b || a === null || b === null) continue
      return a < b === (descending === true) ? 1 : -1
    }
    return 0
  }
  return { ...all, rows: all.rows.toSorted(compare).slice(0, query.limit) }
}

const ownersWord = /^SELECT (\(SELECT state[^]*? LIMIT 1\)) _o, q/

/** What the one database must notice when the many do without it. */
export const oracleMutants: readonly OracleMutant[] = [
  {
    says: 'a read is answered by whoever is asked',
    rewrite: ({ sql, args }) => ({
      sql: sql.replace(ownersWord, "SELECT 'serving|1|' || substr(coalesce($1, ''), 1, 0), q"),
      args,
    }),
  },
  { says: 'a scatter takes rows that a shard has and does not serve', flaws: { takesAll: true } },
  {
    says: 'a scatter takes the word of each shard, though all were asked at different times',
    route: (router) => scattering(router, (query) => trusting(router, query)),
  },
  {
    says: 'a merge puts one shard after the other',
    route: (router) => scattering(router, (query) => concatenated(router, query)),
  },
  {
    says: 'a merge orders text as JavaScript does',
    route: (router) => scattering(router, (query) => byUnits(router, query)),
  },
  { says: 'a cursor forgets what is equal in the first column', flaws: { forgetsTies: true } },
  { says: 'a cursor counts rows', flaws: { counts: true } },
  { says: 'a range is read where it begins', flaws: { asksFirstOnly: true } },
  { says: 'a handle leads where it once led', flaws: { remembersHandles: true } },
]
