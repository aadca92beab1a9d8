import { type Client, createClient } from '@libsql/client'

import { inspect } from './migrate-apply.ts'
import { planOf, type SchemaPlan } from './migrate-plan.ts'
import { type Difference, differencesOf } from './migrate-schema.ts'
import { migrate, type Migration, migrationsOf, missingSteps } from './migrations.ts'

/** Databases at work at a time, each with one request. */
const defaultParallelism = 8

export type Database = { readonly name: string; readonly url: string }

export type MigrateOptions = {
  /** The databases of each keyspace. */
  readonly keyspaces: Readonly<Record<string, readonly Database[]>>
  readonly token: string
  /** Looks and reports, writes nothing. */
  readonly dryRun?: boolean
  /** At most so many databases at a time. Default: 8. */
  readonly parallelism?: number
  /** The migrations of a keyspace. Default: those of `drizzle/`. */
  readonly migrationsOf?: (keyspace: string) => Promise<readonly Migration[]>
  readonly onProgress?: (report: DatabaseReport, done: number, total: number) => void
  /** Ends the run between two databases; the next run goes on. */
  readonly signal?: AbortSignal
}

/**
 * `pending`: a dry run found something to do. `skipped`: the first database of the keyspace failed, so the others were
 * left as they are; or the run was aborted.
 */
export type Outcome = 'current' | 'migrated' | 'pending' | 'failed' | 'skipped'

export type DatabaseReport = {
  readonly keyspace: string
  readonly database: string
  readonly outcome: Outcome
  /** Migrations that were applied now, or that a dry run would apply. */
  readonly migrations: readonly string[]
  /** Whether the fence of its tables stands; true where nothing is sharded. */
  readonly isFenced: boolean
  /** What is not as the migrations make it, afterwards: foreign tables among them. */
  readonly differences: readonly Difference[]
  readonly error?: Error
}

type Job = {
  readonly keyspace: string
  readonly database: Database
  readonly plan: SchemaPlan<Migration>
}

const untouched = { migrations: [], isFenced: false, differences: [] }

function reportOf(job: Job, rest: Omit<DatabaseReport, 'keyspace' | 'database'>): DatabaseReport {
  return { keyspace: job.keyspace, database: job.database.name, ...rest }
}

async function work(
  client: Client,
  { database, plan }: Job,
  dryRun: boolean,
): Promise<Omit<DatabaseReport, 'keyspace' | 'database'>> {
  const before = await inspect(client)
  const migrations = missingSteps(database.name, plan, before).map(
    ({ migration }) => migration.name,
  )
  const fence = plan.steps.at(-1)?.fence
  const stands = (found: typeof before) => fence === undefined || found.isFenced(fence)
  const isCurrent = migrations.length === 0 && stands(before)
  if (dryRun || isCurrent) {
    const differences = migrations.length > 0 ? [] : differencesOf(before.schema, plan.schema)
    const outcome = isCurrent ? 'current' : 'pending'
    return { outcome, migrations, isFenced: stands(before), differences }
  }
  const all = plan.steps.map(({ migration }) => migration)
  await migrate(client, { database: database.name, migrations: all })
  const after = await inspect(client)
  const differences = differencesOf(after.schema, plan.schema)
  return { outcome: 'migrated', migrations, isFenced: stands(after), differences }
}

async function migrateOne(job: Job, options: MigrateOptions): Promise<DatabaseReport> {
  const client = createClient({ url: job.database.url, authToken: options.token })
  try {
    return reportOf(job, await work(client, job, options.dryRun ?? false))
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
    return reportOf(job, { ...untouched, outcome: 'failed', error })
  } finally {
    client.close()
  }
}

/** Runs `each` over all items, at most `limit` at a time. */
async function pooled<T>(
  items: readonly T[],
  limit: number,
  each: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) await each(item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}

/**
 * Brings every database of every keyspace to its newest schema, fenced, and says how each is afterwards.
 *
 * All migrations are rehearsed in memory before any database is asked. The first database of each keyspace goes alone:
 * when it fails, the others are left as they are. A failure stops nothing else. Dying anywhere is completed by the next
 * run. Costs each database four round trips, and one or two more for each migration.
 *
 * @throws UnfenceableSchemaError, and what SQLite says of a script; nothing was touched.
 * @throws RangeError when `parallelism` is not a whole number from 1.
 */
export async function migrateAll(options: MigrateOptions): Promise<readonly DatabaseReport[]> {
  const { keyspaces, parallelism = defaultParallelism, onProgress, signal } = options
  if (!Number.isInteger(parallelism) || parallelism < 1)
    throw new RangeError(`Cannot migrate ${parallelism} databases at a time`)
  const scriptsOf = options.migrationsOf ?? migrationsOf
  const groups = await Promise.all(
    Object.entries(keyspaces).map(async ([keyspace, databases]) => {
      const plan = await planOf(await scriptsOf(keyspace))
      return databases.map((database): Job => ({ keyspace, database, plan }))
    }),
  )
  const total = groups.flat().length
  const reports = new Map<Job, DatabaseReport>()
  const run = async (job: Job): Promise<void> => {
    const [first] = groups.find((group) => group.includes(job)) ?? []
    const isStopped = first !== undefined && reports.get(first)?.outcome === 'failed'
    const report =
      isStopped || signal?.aborted
        ? reportOf(job, { ...untouched, outcome: 'skipped' })
        : await migrateOne(job, options)
    reports.set(job, report)
    onProgress?.(report, reports.size, total)
  }
  await pooled(
    groups.flatMap((group) => group.slice(0, 1)),
    parallelism,
    run,
  )
  await pooled(
    groups.flatMap((group) => group.slice(1)),
    parallelism,
    run,
  )
  return groups.flat().flatMap((job) => reports.get(job) ?? [])
}
