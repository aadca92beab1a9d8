import { readdir, readFile } from 'node:fs/promises'

import { type Client, createClient, LibsqlError } from '@libsql/client'
import {
  AmbiguousWriteError,
  type BatchMode,
  parseFence,
  readConstraint,
  rootCall,
  type Rows,
  ShardFencedError,
  ShardUnavailableError,
  slotRange,
  SqlConstraintError,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import {
  cacheTopology,
  createRouter,
  evenSlots,
  type Router,
  type RouterOptions,
  type Topology,
} from '@stoa/sharding'

const shared = new URL('../../../drizzle/shared/', import.meta.url)
const files = (await readdir(shared)).filter((name) => name.endsWith('.sql')).toSorted()
const ddl = await Promise.all(files.map((name) => readFile(new URL(name, shared), 'utf8')))

/** What becomes of the next batches: the reply is lost after the effect, the request before it, or it is refused. */
export type Spoilt = 'reply' | 'request' | 'refused'

/** A database of the real engine, in memory. */
export type Database = SqlShard & {
  /** Batches that were sent, the spoilt ones too. */
  sent: (readonly Statement[])[]
  spoil(this: void, ...next: Spoilt[]): void
  /** Runs before each batch: what happens elsewhere in the meantime. */
  before: (this: void) => Promise<void>
  run(this: void, sql: string, ...args: SqlValue[]): Promise<readonly (readonly SqlValue[])[]>
  close(this: void): void
}

function faultOf(error: unknown, shard: string): unknown {
  if (!(error instanceof LibsqlError)) return error
  const fence = parseFence(error.message)
  if (fence !== undefined) return new ShardFencedError(shard, fence, { cause: error })
  if (!error.code.startsWith('SQLITE_CONSTRAINT')) return error
  const broken = { ...readConstraint(error.message), statement: undefined }
  return new SqlConstraintError(shard, broken, { cause: error })
}

async function runBatch(client: Client, statements: readonly Statement[], mode: BatchMode) {
  const built = statements.map(({ sql, args }) => ({
    sql,
    args: args.map((value) => (Number.isSafeInteger(value) ? BigInt(Number(value)) : value)),
  }))
  const results = await client.batch(built, mode)
  return results.map(({ columns, rows, rowsAffected }): Rows => {
    const values = rows.map((row) => columns.map((_, i) => (row[i] ?? null) as SqlValue))
    return { columns, rows: values, rowsAffected }
  })
}

/** Changes what is sent, as a mutant would. */
export type Rewrite = (sql: string) => string

/** A database with the shared tables, incarnation `inc-<name>`. It owns no slot yet. */
export async function openDatabase(
  name: string,
  rewrite: Rewrite = (sql) => sql,
): Promise<Database> {
  const client = createClient({ url: 'file::memory:' })
  const next: Spoilt[] = []
  for (const sql of ddl.flatMap((text) => text.split('--> statement-breakpoint')))
    await client.execute(sql)
  const sent: (readonly Statement[])[] = []
  const database: Database = {
    name,
    sent,
    spoil: (...spoilt) => next.push(...spoilt),
    before: async () => undefined,
    batch: async (statements, mode, call) => {
      await database.before()
      call.signal.throwIfAborted()
      sent.push(statements)
      const spoilt = next.shift()
      if (spoilt === 'refused') throw new ShardUnavailableError(name, 'network')
      if (spoilt === 'request') throw new AmbiguousWriteError(name)
      try {
        const rewritten = statements.map(({ sql, args }) => ({ sql: rewrite(sql), args }))
        return await runBatch(client, rewritten, mode)
      } catch (error) {
        throw faultOf(error, name) as Error
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- the point: whatever the answer was, it is lost.
        if (spoilt === 'reply') throw new AmbiguousWriteError(name)
      }
    },
    run: async (sql, ...args) => {
      const [rows] = await runBatch(client, [{ sql, args }], 'write')
      return rows?.rows ?? []
    },
    close: () => client.close(),
  }
  await database.run(
    'INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?)',
    name,
    `inc-${name}`,
  )
  return database
}

export type Fleet = {
  readonly a: Database
  readonly b: Database
  readonly router: Router
  /** The topology as `meta` would say it; change it as a mover would. */
  topology: Topology
  /** Reads of the topology so far. */
  reads: number
  /** Waits so far, in milliseconds; each runs `onSleep` instead of taking time. */
  readonly slept: number[]
  onSleep: () => Promise<void>
  close(this: void): void
}

export const call = rootCall('test')

/** Two databases that share all slots evenly, and a router over them. */
export async function openFleet(
  riders: NonNullable<RouterOptions['riders']> = () => [],
): Promise<Fleet> {
  const [a, b] = [await openDatabase('a'), await openDatabase('b')]
  const ranges = evenSlots(['a', 'b'])
  for (const { from, to, shard } of ranges) {
    const slots = Array.from({ length: to - from + 1 }, (_, index) => {
      const { from: lo, to: hi } = slotRange(from + index)
      return [lo, hi]
    })
    const sql = `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 0, value ->> 1, 1, 'serving' FROM json_each(?)`
    await (shard === 'a' ? a : b).run(sql, JSON.stringify(slots))
  }
  const shards = ['a', 'b'].map((name) => ({
    name,
    url: `memory:${name}`,
    incarnation: `inc-${name}`,
  }))
  const slept: number[] = []
  const slots = cacheTopology(async () => {
    fleet.reads += 1
    return fleet.topology
  }).slots('things')
  const fleet: Fleet = {
    a,
    b,
    topology: { version: 1, keyspaces: { things: { shards, slots: ranges } } },
    reads: 0,
    slept,
    onSleep: async () => undefined,
    router: createRouter({
      slots,
      open: ({ name }) => (name === 'a' ? a : b),
      riders,
      sleep: async (ms) => {
        slept.push(ms)
        await fleet.onSleep()
      },
    }),
    close: () => {
      a.close()
      b.close()
    },
  }
  return fleet
}
