import { readFile } from 'node:fs/promises'

import {
  AmbiguousWriteError,
  rootCall,
  seededRandom,
  ShardUnavailableError,
  type SqlShard,
} from '@stoa/kernel'

import { type SpreadSafeguards, spreadUnsafely } from '../src/reference-spread.ts'
import { type PublishSafeguards, publishUnsafely } from '../src/reference.ts'
import { type Database, openDatabase } from './databases.ts'

const drizzle = new URL('../../../drizzle/', import.meta.url)
const statementsOf = async (file: string) =>
  (await readFile(new URL(file, drizzle), 'utf8')).split('--> statement-breakpoint')
const copies = await statementsOf('shared/0002_reference.sql')
const truth = await statementsOf('meta/migrations/0003_reference.sql')

export const call = rootCall('test')
export const columns = ['code', 'exponent', 'name']
/** Rows that tell their version. */
export const rowsOf = (version: number) => [
  ['EUR', 2, `Euro ${version}`],
  ['JPY', 0, 'Yen'],
  ...(version % 2 === 0 ? [['XCG', 2, `Guilder ${version}`] as const] : []),
]

export type Safeguards = SpreadSafeguards & PublishSafeguards
export const allSafeguards: Safeguards = {
  newerOnly: true,
  sameVersion: true,
  oneBatch: true,
  compareAndSet: true,
  adopt: true,
}

export type World = {
  readonly meta: Database
  readonly a: Database
  readonly b: Database
  publish(
    this: void,
    version: number,
    over?: number,
    meta?: SqlShard,
  ): Promise<{ readonly version: number }>
  spread(
    this: void,
    databases?: readonly SqlShard[],
    meta?: SqlShard,
  ): ReturnType<typeof spreadUnsafely>
  /** What is wrong: a copy whose rows are not those of its version, or one that went back. */
  wrongs(this: void): Promise<readonly string[]>
  close(this: void): void
}

async function openCopy(name: string): Promise<Database> {
  const database = await openDatabase(name)
  for (const sql of copies) await database.run(sql)
  return database
}

async function openMeta(): Promise<Database> {
  const database = await openDatabase('meta')
  for (const sql of truth) await database.run(sql)
  return database
}

/** The truth and two databases with copies. */
export async function openWorld(safeguards = allSafeguards): Promise<World> {
  const [meta, a, b] = [await openMeta(), await openCopy('a'), await openCopy('b')]
  const seen = new Map<string, number>()
  const published = new Map<number, string>()
  const noteTruth = async () => {
    for (const [version, rows] of await meta.run('SELECT version, rows FROM reference')) {
      const before = published.get(Number(version)) ?? String(rows)
      if (before !== String(rows)) published.set(Number(version), 'two contents')
      else published.set(Number(version), before)
    }
  }
  const wrongsOf = async (database: Database): Promise<readonly string[]> => {
    const [[version = 0] = []] = await database.run(
      "SELECT version FROM _reference WHERE name = 'currency'",
    )
    const rows = await database.run('SELECT code, exponent, name FROM _currency ORDER BY code')
    const before = seen.get(database.name) ?? 0
    seen.set(database.name, Number(version))
    const expected = Number(version) === 0 ? '[]' : published.get(Number(version))
    return [
      Number(version) < before
        ? `${database.name} went back from ${before} to ${Number(version)}`
        : '',
      JSON.stringify(rows) === expected
        ? ''
        : `${database.name} has other rows at ${Number(version)}`,
    ].filter((wrong) => wrong !== '')
  }
  return {
    meta,
    a,
    b,
    publish: (version, over, to = meta) =>
      publishUnsafely(
        to,
        { name: 'currency', columns, rows: rowsOf(version), over, at: version },
        { safeguards, call },
      ),
    spread: (databases = [a, b], from = meta) =>
      spreadUnsafely({ meta: from, name: 'currency', databases }, { safeguards, call }),
    wrongs: async () => {
      await noteTruth()
      return [...(await wrongsOf(a)), ...(await wrongsOf(b))]
    },
    close: () => {
      for (const database of [meta, a, b]) database.close()
    },
  }
}

/** Holds a database's next write until it is let go. */
export function paused(database: Database): {
  readonly shard: SqlShard
  readonly arrived: Promise<void>
  go(this: void): void
} {
  const arrival = Promise.withResolvers<void>()
  const leave = Promise.withResolvers<void>()
  return {
    arrived: arrival.promise,
    go: leave.resolve,
    shard: {
      name: database.name,
      batch: async (statements, mode, given) => {
        arrival.resolve()
        await leave.promise
        return database.batch(statements, mode, given)
      },
    },
  }
}

type Waiting = { readonly go: () => void }

/** Runs operations whose every batch waits for its turn, which chance gives, and may be refused or lose its reply. */
export function scheduler(seed: number) {
  const random = seededRandom(seed)
  const waiting: Waiting[] = []
  const running = { batches: 0, operations: 0 }
  const gated = (database: SqlShard): SqlShard => ({
    name: database.name,
    batch: async (statements, mode, given) => {
      await new Promise<void>((resolve) => {
        waiting.push({ go: resolve })
      })
      running.batches += 1
      try {
        const fate = random.uint32() % 8
        if (fate === 0) throw new ShardUnavailableError(database.name, 'network')
        const answers = await database.batch(statements, mode, given)
        if (fate === 1 && mode === 'write') throw new AmbiguousWriteError(database.name)
        return answers
      } finally {
        running.batches -= 1
      }
    },
  })
  const start = (operation: () => Promise<unknown>) => {
    running.operations += 1
    void operation()
      .catch(() => undefined)
      .finally(() => {
        running.operations -= 1
      })
  }
  const run = async (afterEach: () => Promise<void>) => {
    while (running.operations > 0) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      if (running.batches > 0) continue
      await afterEach()
      const [next] = waiting.splice(random.uint32() % Math.max(1, waiting.length), 1)
      next?.go()
    }
  }
  return { gated, start, run }
}
