import {
  type Call,
  type Clock,
  createIds,
  type Ids,
  type QueuePort,
  secureRandom,
  sleep,
  type SqlShard,
  systemClock,
} from '@stoa/kernel'
import {
  type Committer,
  createCommitter,
  createInbox,
  createMarks,
  createOnceRunner,
  type Inbox,
  type OnceRunner,
} from '@stoa/messaging'
import {
  cacheTopology,
  createRouter,
  type Router,
  type Topology,
  type TopologyCache,
} from '@stoa/sharding'

import { libsqlShard } from './libsql.ts'
import { nearTopology } from './near-topology.ts'
import { qstashQueue } from './qstash.ts'

/** Where the databases are. */
export type DatabaseConfig = {
  /** The `meta` database, which holds the topology. */
  readonly metaUrl: string
  /** One token for every database of the group. */
  readonly token: string
}

/** One keyspace as a service uses it: routed reads and writes, reliable events, ids. */
export type KeyspaceAccess = {
  readonly router: Router
  readonly committer: Committer
  readonly once: OnceRunner
  readonly inbox: Inbox
  readonly ids: Ids
  readonly clock: Clock
}

export type KeyspaceOptions = {
  readonly keyspace: string
  readonly database: DatabaseConfig
  readonly queue: QueuePort
  readonly publicUrl: string
  /** Keeps the isolate alive for work after the answer. */
  readonly defer: (work: Promise<unknown>) => void
  readonly report: (error: unknown, requestId: string) => void
}

/** Reads the topology from the `meta` database. One round trip. */
async function readTopology(meta: SqlShard, call: Call): Promise<Topology> {
  const query = { sql: 'SELECT version, document FROM topology WHERE id = 1', args: [] }
  const [rows] = await meta.batch([query], 'read', call)
  const [row] = rows?.rows ?? []
  if (row === undefined) throw new Error('Cannot route: the meta database holds no topology')
  // The document is written by one job, from a value of this type.
  const keyspaces = JSON.parse(String(row[1])) as Topology['keyspaces']
  return { version: Number(row[0]), keyspaces }
}

const topologies = new Map<string, TopologyCache>()

/** The topology of a deployment: one for all the services of an isolate. */
function topologyOf({ metaUrl, token }: DatabaseConfig): TopologyCache {
  const known = topologies.get(metaUrl)
  if (known !== undefined) return known
  const meta = libsqlShard({ name: 'meta', url: metaUrl, token })
  const opened = cacheTopology((call) => readTopology(meta, call), nearTopology(metaUrl))
  topologies.set(metaUrl, opened)
  return opened
}

/** Every database of every keyspace as the topology is now, for sweeps. One round trip for the topology. */
export async function allShards(
  { metaUrl, token }: DatabaseConfig,
  call: Call,
): Promise<readonly SqlShard[]> {
  const shards = await topologyOf({ metaUrl, token }).shards(call)
  return shards.map(({ name, url }) => ({
    name,
    // Opened when it is used: an address that cannot be read fails the sweep of its own database alone.
    batch: async (statements, mode, each) =>
      libsqlShard({ name, url, token }).batch(statements, mode, each),
  }))
}

/** Opens a keyspace; costs nothing until its first use, when a cold isolate reads the topology once. */
export function openKeyspace(options: KeyspaceOptions): KeyspaceAccess {
  const { keyspace, database, queue, publicUrl, defer, report } = options
  const clock = systemClock
  const marks = createMarks(clock)
  const router = createRouter({
    slots: topologyOf(database).slots(keyspace),
    open: ({ name, url }) => libsqlShard({ name, url, token: database.token }),
    sleep: (ms, call) => sleep(ms, clock, call.signal),
    random: secureRandom,
    riders: (shard) => marks.take(shard),
  })
  const committer = createCommitter({ router, marks, queue, publicUrl, clock, defer, report })
  return {
    router,
    committer,
    once: createOnceRunner({ router, committer, clock }),
    inbox: createInbox({ consumer: keyspace, router, committer, clock }),
    ids: createIds({ clock, random: secureRandom }),
    clock,
  }
}

/** The variables of a deployment that a keyspace needs; `PlatformEnv` of `@stoa/http` has them. */
export type DeploymentVariables = {
  readonly META_URL: string
  readonly LIBSQL_TOKEN: string
  readonly QSTASH_URL: string
  readonly QSTASH_TOKEN: string
  readonly PUBLIC_URL: string
}

/** Opens a service's keyspace from the variables of its deployment. @see openKeyspace */
export function openServiceKeyspace(
  keyspace: string,
  config: DeploymentVariables,
  hooks: Pick<KeyspaceOptions, 'defer' | 'report'>,
): KeyspaceAccess {
  return openKeyspace({
    keyspace,
    database: { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN },
    queue: qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN }),
    publicUrl: config.PUBLIC_URL,
    ...hooks,
  })
}
