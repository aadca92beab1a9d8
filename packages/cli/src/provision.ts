import { randomBytes } from 'node:crypto'

import { type Client, createClient } from '@libsql/client'
import { libsqlShard } from '@stoa/adapters/shard'
import { rootCall, slotRange } from '@stoa/kernel'
import { evenSlots, type Keyspace, type ShardInfo, type SlotRange } from '@stoa/sharding'

import { ReshardingActiveError } from './migrate-apply.ts'
import { textOf } from './migrate-schema.ts'
import { keyspaceNames, migrate, migrationsOf } from './migrations.ts'
import { levelReferences, publishMissing } from './references.ts'

/** Keyspaces whose slots lie and move in groups: counting dedupes by buckets of 64 slots, whose rows lie in the first. */
const units: Readonly<Record<string, number>> = { stats: 64 }

/** The most databases provisioned at a time. */
const databasesAtOnce = 8

export type Provider = {
  /** Makes sure that a database exists, and answers its address. Safe to repeat. */
  createDatabase(name: string): Promise<string>
  readonly token: string
}

export type ProvisionOptions = {
  readonly provider: Provider
  /** Databases for each keyspace that has none yet; an existing keyspace keeps what it has. */
  readonly shardsPerKeyspace: number
  readonly onProgress?: (done: number, total: number) => void
}

export type Provisioned = {
  readonly metaUrl: string
  readonly keyspaces: Readonly<Record<string, Keyspace>>
  /** Migrations that were applied now, over all databases. */
  readonly applied: number
}

type Keyspaces = Record<string, Keyspace>

/** Databases made by the platform of `packages/local`. */
export function localProvider(libsqlUrl: string, token: string): Provider {
  return {
    token,
    createDatabase: async (name) => {
      const response = await fetch(`${libsqlUrl}/_local/databases`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      })
      if (!response.ok)
        throw new Error(`Cannot create database "${name}": ${await response.text()}`)
      const { url } = (await response.json()) as { url: string }
      return url
    },
  }
}

async function withClient<T>(
  { url, token }: { readonly url: string; readonly token: string },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = createClient({ url, authToken: token })
  try {
    return await work(client)
  } finally {
    client.close()
  }
}

/** Says in the shard itself which slots it serves, and which database it is. What is there already stays. */
async function claimSlots(
  client: Client,
  shard: { readonly name: string; readonly ranges: readonly SlotRange[] },
): Promise<string> {
  const slots = shard.ranges.flatMap(({ from, to, epoch }) =>
    Array.from({ length: to - from + 1 }, (_, index) => {
      const { from: lo, to: hi } = slotRange(from + index)
      return [lo, hi, epoch]
    }),
  )
  const [, , meta] = await client.batch(
    [
      {
        // A database that has held slots and has no incarnation is a copy, and is not adopted by the way.
        sql: `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE
SET incarnation = excluded.incarnation WHERE incarnation IS NULL AND NOT EXISTS (SELECT 1 FROM _slot_owner)`,
        args: [shard.name, randomBytes(8).toString('hex')],
      },
      {
        // Only a database that has never held a slot is given some: a later move decides for itself.
        sql: `INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT value ->> 0, value ->> 1, value ->> 2, 'serving' FROM json_each(?)
WHERE NOT EXISTS (SELECT 1 FROM _slot_owner)`,
        args: [JSON.stringify(slots)],
      },
      'SELECT incarnation FROM _shard_meta',
    ],
    'write',
  )
  return textOf(meta?.rows[0]?.['incarnation'])
}

async function readKeyspaces(client: Client): Promise<Known> {
  const { rows } = await client.execute('SELECT version, document FROM topology WHERE id = 1')
  const [row] = rows
  if (row === undefined) return { version: 0, keyspaces: {} }
  return {
    version: Number(row['version']),
    keyspaces: JSON.parse(textOf(row['document'])) as Keyspaces,
  }
}

async function writeKeyspaces(
  client: Client,
  version: number,
  keyspaces: Keyspaces,
): Promise<void> {
  const document = JSON.stringify(keyspaces)
  const { rowsAffected } = await client.execute({
    sql: `INSERT INTO topology (id, version, document, changed_at) VALUES (1, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, document = excluded.document, changed_at = excluded.changed_at
WHERE topology.version = excluded.version - 1`,
    args: [version + 1, document, Date.now()],
  })
  if (rowsAffected !== 1)
    throw new Error('Cannot write the topology: another job changed it; run again')
}

type Known = { readonly version: number; readonly keyspaces: Keyspaces }

async function writeWhenChanged(
  client: Client,
  known: Known,
  keyspaces: Keyspaces,
): Promise<Known> {
  if (JSON.stringify(keyspaces) === JSON.stringify(known.keyspaces)) return known
  await writeKeyspaces(client, known.version, keyspaces)
  return { version: known.version + 1, keyspaces }
}

/** How a keyspace is to be: as it is, or, when it is new, spread evenly over new databases. */
function planOf(name: string, known: Keyspace | undefined, count: number): Keyspace {
  const unit = units[name]
  const grouped = unit === undefined ? {} : { unit }
  if (known !== undefined) return { ...known, ...grouped }
  const names = Array.from({ length: count }, (_, index) => `${name}-${index}`)
  return {
    shards: names.map((shard) => ({ name: shard, url: '', incarnation: '' })),
    slots: evenSlots(names, unit),
    ...grouped,
  }
}

type Job = {
  readonly keyspace: string
  readonly plan: Keyspace
  readonly name: string
  /** It owns nothing, and is no copy until its feed makes it one. */
  readonly isReplica?: boolean
}
type Placed = { readonly url: string; readonly incarnation: string; readonly applied: number }

/** A replica that is being copied cannot be migrated meanwhile: it stays as it is, and sessions read at the primary. */
function whenCopying(error: unknown): number {
  if (error instanceof ReshardingActiveError) return 0
  throw error
}

async function provisionOne(
  { keyspace, plan, name, isReplica = false }: Job,
  provider: Provider,
): Promise<Placed> {
  const url = await provider.createDatabase(name)
  const migrations = await migrationsOf(keyspace)
  const ranges = plan.slots.filter((range) => range.shard === name)
  return withClient({ url, token: provider.token }, async (client) => {
    const migrating = migrate(client, { database: name, migrations })
    if (isReplica) return { url, applied: await migrating.catch(whenCopying), incarnation: '' }
    const applied = await migrating
    return { url, applied, incarnation: await claimSlots(client, { name, ranges }) }
  })
}

async function provisionAll(
  jobs: readonly Job[],
  options: ProvisionOptions,
): Promise<Map<string, Placed>> {
  const placed = new Map<string, Placed>()
  for (let start = 0; start < jobs.length; start += databasesAtOnce) {
    const wave = jobs.slice(start, start + databasesAtOnce)
    await Promise.all(
      wave.map(async (job) => {
        placed.set(job.name, await provisionOne(job, options.provider))
        options.onProgress?.(placed.size, jobs.length)
      }),
    )
  }
  return placed
}

/** The shard with the addresses that its databases have now. */
function placedShard(shard: ShardInfo, placed: ReadonlyMap<string, Placed>): ShardInfo {
  const { url = '', incarnation = '' } = placed.get(shard.name) ?? {}
  const replicas = shard.replicas?.map((each) => ({
    ...each,
    url: placed.get(each.name)?.url ?? '',
  }))
  return { ...shard, url, incarnation, ...(replicas === undefined ? {} : { replicas }) }
}

function jobsOf([keyspace, plan]: readonly [string, Keyspace]): readonly Job[] {
  return plan.shards.flatMap(({ name, replicas = [] }) => [
    { keyspace, plan, name },
    ...replicas.map((replica) => ({ keyspace, plan, name: replica.name, isReplica: true })),
  ])
}

/**
 * Makes every database exist, brings each to its newest schema, gives new ones their slots and the reference
 * tables, and writes the topology: first as a plan, so that a run that died is completed by the next with the same
 * number of databases.
 *
 * Running it again changes nothing.
 *
 * @throws ChangedMigrationError, and what the databases answer.
 */
export async function provision(options: ProvisionOptions): Promise<Provisioned> {
  const { provider, shardsPerKeyspace } = options
  const call = rootCall('provision')
  const open = (name: string, url: string) => libsqlShard({ name, url, token: provider.token })
  const metaUrl = await provider.createDatabase('meta')
  return withClient({ url: metaUrl, token: provider.token }, async (meta) => {
    let applied = await migrate(meta, { database: 'meta', migrations: await migrationsOf('meta') })
    await publishMissing(open('meta', metaUrl), call)
    let known = await readKeyspaces(meta)
    const names = (await keyspaceNames()).filter((name) => name !== 'meta')
    const plans = Object.fromEntries(
      names.map((name) => [name, planOf(name, known.keyspaces[name], shardsPerKeyspace)]),
    )
    // A keyspace that this code does not have is another version's, and stays as it is.
    known = await writeWhenChanged(meta, known, { ...known.keyspaces, ...plans })
    const placed = await provisionAll(Object.entries(plans).flatMap(jobsOf), options)
    const keyspaces: Keyspaces = { ...known.keyspaces }
    for (const [name, plan] of Object.entries(plans))
      keyspaces[name] = { ...plan, shards: plan.shards.map((shard) => placedShard(shard, placed)) }
    const level = async () => {
      const databases = [...placed].map(([name, { url }]) => open(name, url))
      await levelReferences(open('meta', metaUrl), databases, call)
    }
    await level()
    const published = await writeWhenChanged(meta, known, keyspaces)
    // Whoever spread a newer version before the new databases were named did not know them.
    if (published !== known) await level()
    for (const each of placed.values()) applied += each.applied
    return { metaUrl, keyspaces, applied }
  })
}
