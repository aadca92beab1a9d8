import { readFile } from 'node:fs/promises'

import { type Client, createClient } from '@libsql/client'
import { sqlShardOf } from '@stoa/adapters/libsql'
import {
  AmbiguousWriteError,
  rootCall,
  ShardUnavailableError,
  slotRange,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import {
  cacheTopology,
  catalogueQuery,
  createRouter,
  evenSlots,
  fenceSetOf,
  installFence,
  readCatalogue,
  type Router,
  type SlotRange,
  type Topology,
} from '@stoa/sharding'

import { countingMigration, type Kind } from '../src/index.ts'

const shared = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)

export const call = rootCall('test')

/** What becomes of the next batches: the reply is lost after the effect, the request before it, or it is refused. */
export type Spoilt = 'reply' | 'request' | 'refused'

/** A database of the real engine, in memory. */
export type Database = SqlShard & {
  sent: (readonly Statement[])[]
  spoil(this: void, ...next: Spoilt[]): void
  /** Takes back what is still to be spoilt. */
  heal(this: void): void
  /** Runs before each batch: what happens elsewhere in the meantime. */
  before: (this: void, statements: readonly Statement[]) => Promise<void>
  /** Runs when a batch has committed, before its answer arrives. */
  after: (this: void) => Promise<void>
  /** What a mutant makes of each statement. */
  rewrite: (this: void, sql: string) => string
  run(this: void, sql: string, ...args: SqlValue[]): Promise<readonly (readonly SqlValue[])[]>
  close(this: void): void
}

async function migrate(client: Client, text: string): Promise<void> {
  for (const sql of text.split('--> statement-breakpoint')) await client.execute(sql)
}

/** Lets `database` serve `ranges`. */
async function serve(database: Database, ranges: readonly SlotRange[]): Promise<void> {
  const slots = ranges.flatMap(({ from, to, epoch }) =>
    Array.from({ length: to - from + 1 }, (_, index) => {
      const { from: lo, to: hi } = slotRange(from + index)
      return [lo, hi, epoch]
    }),
  )
  await database.run(
    `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 0, value ->> 1, value ->> 2, 'serving' FROM json_each(?)`,
    JSON.stringify(slots),
  )
}

/** `statements` past the fence of the rows. */
export function asMover(statements: readonly Statement[]): readonly Statement[] {
  const say = (mover: string | null): Statement => ({
    sql: 'UPDATE _fence SET mover = ?',
    args: [mover],
  })
  return [say('test'), ...statements, say(null)]
}

/** A database with the shared tables, those of `kinds`, and the fence. It owns no slot yet. */
async function openDatabase(
  name: string,
  kinds: readonly Kind[],
  isFenced: boolean,
): Promise<Database> {
  const client = createClient({ url: 'file::memory:', intMode: 'bigint' })
  await migrate(client, shared)
  await migrate(client, countingMigration(kinds))
  const catalogue = await client.execute(catalogueQuery.sql)
  const fence = installFence('test', fenceSetOf(readCatalogue(catalogue.rows)))
  const bare = ["INSERT INTO _shard_meta (id, shard) VALUES (1, 'test')"]
  for (const sql of isFenced ? fence : bare) await client.execute(sql)
  const engine = sqlShardOf(client, name)
  const next: Spoilt[] = []
  const database: Database = {
    name,
    sent: [],
    spoil: (...spoilt) => next.push(...spoilt),
    heal: () => next.splice(0),
    before: async () => undefined,
    after: async () => undefined,
    rewrite: (sql) => sql,
    batch: async (statements, mode, each) => {
      await database.before(statements)
      database.sent.push(statements)
      const spoilt = next.shift()
      if (spoilt === 'refused') throw new ShardUnavailableError(name, 'network')
      if (spoilt === 'request') throw new AmbiguousWriteError(name)
      const written = statements.map(({ sql, args }) => ({ sql: database.rewrite(sql), args }))
      const rows = await engine.batch(written, mode, each)
      await database.after()
      if (spoilt === 'reply') throw new AmbiguousWriteError(name)
      return rows
    },
    run: async (sql, ...args) => {
      const [, rows] = await engine.batch(asMover([{ sql, args }]), 'write', call)
      return rows?.rows ?? []
    },
    close: () => client.close(),
  }
  await database.run('UPDATE _shard_meta SET incarnation = ?', `inc-${name}`)
  return database
}

export type Fleet = {
  readonly a: Database
  readonly b: Database
  readonly router: Router
  /** The topology as `meta` would say it; change it as a mover would. */
  topology: Topology
  close(this: void): void
}

/** Two databases that share all slots evenly, and a router over them; without the fence of rows batches are guarded all the same. */
export async function openFleet(kinds: readonly Kind[], isFenced = true): Promise<Fleet> {
  const [a, b] = [
    await openDatabase('a', kinds, isFenced),
    await openDatabase('b', kinds, isFenced),
  ]
  const ranges = evenSlots(['a', 'b'])
  for (const database of [a, b]) {
    await serve(
      database,
      ranges.filter(({ shard }) => shard === database.name),
    )
  }
  const shards = ['a', 'b'].map((name) => ({
    name,
    url: `memory:${name}`,
    incarnation: `inc-${name}`,
  }))
  const fleet: Fleet = {
    a,
    b,
    topology: { version: 1, keyspaces: { stats: { shards, slots: ranges } } },
    router: createRouter({
      slots: cacheTopology(async () => fleet.topology).slots('stats'),
      open: ({ name }) => (name === 'a' ? a : b),
      sleep: async () => undefined,
    }),
    close: () => {
      a.close()
      b.close()
    },
  }
  return fleet
}
