import { type Call, isFault, rootCall, type SqlShard, systemClock } from '@stoa/kernel'
import { readFeeds } from '@stoa/resharding'
import { inWaves, type ShardInfo } from '@stoa/sharding'

import type { Tools } from './command-line.ts'
import { exitCodes, table } from './output.ts'
import { homeOf, readTopology } from './system.ts'

type ReplicaReport = {
  readonly shard: string
  readonly replica: string
  /** Captured changes that it lacks, as the primary knows; `undefined` when the primary did not say. */
  readonly lag: number | undefined
  /** Pieces that it cannot answer for yet. */
  readonly wanted: number | undefined
  /** Milliseconds since it last had all, by this machine's clock; `undefined` when it never did. */
  readonly ageMs: number | undefined
  readonly problem: string | undefined
}

const selectSelf = {
  sql: `SELECT r.primary_name, r.incarnation, r.at,
  (SELECT count(*) FROM _slot_owner WHERE job IN ('wanted', 'copying')) FROM _replica AS r WHERE r.id = 1`,
  args: [],
}

const nothing = { lag: undefined, wanted: undefined, ageMs: undefined }

async function askReplica(
  replica: SqlShard,
  shard: ShardInfo,
  call: Call,
): Promise<Pick<ReplicaReport, 'wanted' | 'ageMs' | 'problem'>> {
  const [found] = await replica.batch([selectSelf], 'read', call)
  const [primary, incarnation, at, wanted] = found?.rows[0] ?? []
  if (primary === undefined) return { ...nothing, problem: 'it was never fed' }
  const isOwn = primary === shard.name && incarnation === shard.incarnation
  const ageMs = Number(at) === 0 ? undefined : Math.max(0, systemClock.now() - Number(at))
  const problem = isOwn ? undefined : `it is a copy of another "${String(primary)}"`
  return { wanted: Number(wanted), ageMs, problem }
}

function messageOf(error: unknown): string {
  if (!isFault(error)) throw error
  return error.message
}

async function reportsOf(
  { system }: Tools,
  shard: ShardInfo,
  call: Call,
): Promise<readonly ReplicaReport[]> {
  const lags = new Map<string, number>()
  let away: string | undefined
  try {
    for (const { name, lag } of await readFeeds(system.open(shard), call)) lags.set(name, lag)
  } catch (error) {
    away = messageOf(error)
  }
  const reports: ReplicaReport[] = []
  for (const info of shard.replicas ?? []) {
    const about = { shard: shard.name, replica: info.name, lag: lags.get(info.name) }
    const isFed = lags.delete(info.name) || away !== undefined
    try {
      const found = await askReplica(system.open(info), shard, call)
      const unfed = isFed ? away : 'its primary does not feed it'
      reports.push({ ...about, ...found, problem: found.problem ?? unfed })
    } catch (error) {
      reports.push({ ...nothing, ...about, problem: messageOf(error) })
    }
  }
  const unnamed = [...lags].map(([replica, lag]) => ({
    ...nothing,
    shard: shard.name,
    replica,
    lag,
    problem: 'the topology does not name it: add or remove it',
  }))
  return [...reports, ...unnamed]
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : `${(ms / 1000).toFixed(1)} s ago`
}

/** Says of every replica how far behind it is. Changes nothing; asks five shards at a time. Answers the exit code. */
export async function replicaStatus(
  options: Tools & { readonly shard: string | undefined },
): Promise<number> {
  const { system, output, shard: only } = options
  const call = rootCall('stoa replica status')
  const topology = await readTopology(system, call)
  const all = Object.values(topology.keyspaces).flatMap(({ shards }) => shards)
  const shards = only === undefined ? all : [homeOf(topology, only).shard]
  const found = new Map<ShardInfo, readonly ReplicaReport[]>()
  await inWaves(
    shards.filter(({ url }) => url !== ''),
    async (shard) => {
      found.set(shard, await reportsOf(options, shard, call))
    },
  )
  const reports = shards.flatMap((shard) => found.get(shard) ?? [])
  if (output.isJson) for (const each of reports) output.tell({ event: 'replica', ...each }, '')
  else if (reports.length === 0) output.tell({}, 'There are no replicas.')
  else {
    const rows = reports.map(({ shard, replica, lag, wanted, ageMs, problem }) => [
      shard,
      replica,
      lag ?? '?',
      wanted ?? '?',
      seconds(ageMs),
      problem ?? '',
    ])
    output.tell(
      {},
      table([['shard', 'replica', 'lag', 'pieces to copy', 'level', 'problem'], ...rows]),
    )
  }
  return reports.some(({ problem }) => problem !== undefined) ? exitCodes.refused : exitCodes.done
}
