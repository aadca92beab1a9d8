import { libsqlShard } from '@stoa/adapters/shard'
import { type Call, secureRandom, sleep, type SqlShard, systemClock } from '@stoa/kernel'
import { devTokens } from '@stoa/local'
import { createMover, type MoveLimits, type MoveProgress, type Mover } from '@stoa/resharding'
import type { Keyspace, ShardInfo, Topology } from '@stoa/sharding'

import { localProvider, type Provider } from '../provision.ts'
import { BadCommandError, NoSystemError, UnknownShardError } from './faults.ts'

/** The databases that a command works on. */
export type System = {
  readonly metaUrl: string
  readonly token: string
  readonly meta: SqlShard
  /** Makes new databases. */
  readonly provider: Provider
  open(this: void, shard: Pick<ShardInfo, 'name' | 'url'>): SqlShard
}

export type Where = {
  readonly metaUrl?: string | undefined
  readonly token?: string | undefined
  readonly libsqlPort?: string | undefined
}

type Env = Readonly<Record<string, string | undefined>>

const defaultPort = '8791'
/** How often another job may change the topology in between. */
const triesMax = 8
/** A loopback server that takes longer to list its databases is not there. */
const listMsMax = 5_000

/** The address of `meta` on the platform of `npm start`. @throws NoSystemError */
async function localMetaUrl(base: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(listMsMax)
    const response = await fetch(`${base}/_local/databases`, { signal })
    const { databases } = (await response.json()) as {
      readonly databases: readonly { readonly name: string; readonly url: string }[]
    }
    const meta = databases.find(({ name }) => name === 'meta')
    if (meta !== undefined) return meta.url
  } catch (cause) {
    throw new NoSystemError(`Cannot find the databases: nothing answers at ${base}`, { cause })
  }
  throw new NoSystemError(`Cannot find the databases: ${base} has no meta database yet`)
}

/** The server that can make databases: the one `meta` is on. */
function providerAt(metaUrl: string, token: string): Provider {
  return localProvider(new URL(metaUrl).origin, token)
}

/**
 * Finds the system: the flags, or META_URL and LIBSQL_TOKEN, or the platform of `npm start`.
 *
 * @throws NoSystemError when nothing is there. @throws BadCommandError when an address is none.
 */
export async function findSystem(where: Where, env: Env): Promise<System> {
  const given = where.metaUrl ?? env['META_URL']
  const port = where.libsqlPort ?? env['STOA_LIBSQL_PORT'] ?? defaultPort
  const token = where.token ?? env['LIBSQL_TOKEN'] ?? (given === undefined ? devTokens.libsql : '')
  const metaUrl = given ?? (await localMetaUrl(`http://127.0.0.1:${port}`))
  const open: System['open'] = ({ name, url }) => libsqlShard({ name, url, token })
  try {
    const provider = providerAt(metaUrl, token)
    return { metaUrl, token, provider, open, meta: open({ name: 'meta', url: metaUrl }) }
  } catch (cause) {
    throw new BadCommandError(`Cannot use "${metaUrl}" as the address of meta`, { cause })
  }
}

/** One round trip. @throws NoSystemError when the database has no topology. */
export async function readTopology({ meta }: Pick<System, 'meta'>, call: Call): Promise<Topology> {
  const query = { sql: 'SELECT version, document FROM topology WHERE id = 1', args: [] }
  const [rows] = await meta.batch([query], 'read', call)
  const [version, document] = rows?.rows[0] ?? []
  if (version === undefined)
    throw new NoSystemError('Cannot find the databases: meta has no topology')
  // Written by provisioning and the mover, from a value of this type.
  const keyspaces = JSON.parse(String(document)) as Topology['keyspaces']
  return { version: Number(version), keyspaces }
}

/** @throws UnknownShardError */
export function keyspaceIn({ keyspaces }: Topology, name: string): Keyspace {
  const keyspace = keyspaces[name]
  if (keyspace === undefined)
    throw new UnknownShardError('keyspace', name, Object.keys(keyspaces).toSorted())
  return keyspace
}

/** @throws UnknownShardError */
export function shardIn({ shards }: Pick<Keyspace, 'shards'>, name: string): ShardInfo {
  const shard = shards.find((each) => each.name === name)
  if (shard === undefined)
    throw new UnknownShardError(
      'shard',
      name,
      shards.map((each) => each.name),
    )
  return shard
}

/** The keyspace that has a shard of that name. @throws UnknownShardError */
export function homeOf(
  { keyspaces }: Topology,
  name: string,
): { readonly keyspace: string; readonly shard: ShardInfo } {
  for (const [keyspace, { shards }] of Object.entries(keyspaces)) {
    const shard = shards.find((each) => each.name === name)
    if (shard !== undefined) return { keyspace, shard }
  }
  const all = Object.values(keyspaces).flatMap(({ shards }) => shards.map((shard) => shard.name))
  throw new UnknownShardError('shard', name, all)
}

/** Every database of the topology that has an address, replicas too. */
export function databasesOf(
  { open }: Pick<System, 'open'>,
  { keyspaces }: Topology,
): readonly SqlShard[] {
  return Object.values(keyspaces)
    .flatMap(({ shards }) => shards.flatMap((shard) => [shard, ...(shard.replicas ?? [])]))
    .filter(({ url }) => url !== '')
    .map(open)
}

/**
 * Changes a keyspace in the topology by compare-and-set, until nobody was faster. `change` answers the very same value
 * when nothing is to change.
 */
export async function changeKeyspace(
  system: Pick<System, 'meta'>,
  {
    keyspace,
    change,
  }: { readonly keyspace: string; readonly change: (known: Keyspace) => Keyspace },
  call: Call,
): Promise<void> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const topology = await readTopology(system, call)
    const known = keyspaceIn(topology, keyspace)
    const next = change(known)
    if (next === known) return
    const keyspaces = { ...topology.keyspaces, [keyspace]: next }
    const update = {
      sql: 'UPDATE topology SET version = ?, document = ?, changed_at = ? WHERE id = 1 AND version = ?',
      args: [topology.version + 1, JSON.stringify(keyspaces), systemClock.now(), topology.version],
    }
    const [rows] = await system.meta.batch([update], 'write', call)
    if (rows?.rowsAffected === 1) return
  }
  throw new Error(
    `Cannot change "${keyspace}" in the topology: others changed it ${triesMax} times`,
  )
}

/** A mover over the system's databases. */
export function moverOf(
  { meta, open }: System,
  options: {
    readonly limits?: Partial<MoveLimits>
    readonly progress?: (event: MoveProgress) => void
  } = {},
): Mover {
  return createMover({
    meta,
    open,
    clock: systemClock,
    random: secureRandom,
    sleep: (ms, call) => sleep(ms, systemClock, call.signal),
    ...options,
  })
}
