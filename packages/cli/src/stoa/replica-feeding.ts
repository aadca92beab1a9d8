import { type Call, isFault, rootCall, sleep, type SqlShard, systemClock } from '@stoa/kernel'
import { createReplicaFeed, type FeedProgress, type ReplicaFeed } from '@stoa/resharding'

import type { Tools } from './command-line.ts'
import { exitCodes, type Output } from './output.ts'
import type { Stopper } from './stopper.ts'
import { homeOf, readTopology, type System } from './system.ts'

/** Failures in a row after which filling gives up, and how long it waits after each. */
const failuresMax = 20
const retryMs = 500
/** Round trips of one advance, about: between two of them Ctrl-C is heard. */
const batchesMax = 40

type Pair = { readonly primary: SqlShard; readonly replica: SqlShard }

function feedOf({ primary, replica }: Pair): ReplicaFeed {
  return createReplicaFeed({
    primary,
    replica,
    clock: systemClock,
    sleep: (ms, call) => sleep(ms, systemClock, call.signal),
    limits: { batches: batchesMax },
  })
}

function tellProgress(output: Output, replica: string, { wanted, applied, newest }: FeedProgress) {
  const behind = Math.max(0, newest - applied)
  if (output.isJson) output.tell({ event: 'filling', replica, wanted, behind }, '')
  else output.note(`${replica}: ${wanted} pieces to copy, ${behind} changes behind`)
}

/** Fills a replica until it is level; false when somebody has stopped it. @throws what lasts. */
export async function fill({
  output,
  stopper,
  ...pair
}: Pair & { readonly output: Output; readonly stopper: Stopper }): Promise<boolean> {
  const feed = feedOf(pair)
  const call = rootCall('stoa replica')
  let failures = 0
  while (!stopper.isStopped) {
    try {
      const progress = await feed.advance(call)
      failures = 0
      if (progress.isLevel) return true
      tellProgress(output, pair.replica.name, progress)
    } catch (error) {
      failures += 1
      if (!isFault(error) || !error.retryable || failures > failuresMax) throw error
      await sleep(retryMs, systemClock, call.signal)
    }
  }
  return false
}

/** The shards that have replicas: one, or all. @throws UnknownShardError */
async function pairsOf(
  system: System,
  only: string | undefined,
  call: Call,
): Promise<readonly Pair[]> {
  const topology = await readTopology(system, call)
  const shards =
    only === undefined
      ? Object.values(topology.keyspaces).flatMap((keyspace) => keyspace.shards)
      : [homeOf(topology, only).shard]
  return shards.flatMap((shard) =>
    (shard.replicas ?? []).map((info) => ({
      primary: system.open(shard),
      replica: system.open(info),
    })),
  )
}

/**
 * Keeps the replicas of a shard, or all, level until it is stopped; with `isOnce` until they are level. Any number may
 * feed one replica at once, and one that dies leaves nothing to mend. Answers the exit code.
 *
 * @throws what lasts, as a schema that differs: the others stop too.
 */
export async function feedReplicas({
  system,
  output,
  stopper,
  shard,
  isOnce,
}: Tools & { readonly shard: string | undefined; readonly isOnce: boolean }): Promise<number> {
  const root = rootCall('stoa replica feed')
  const pairs = await pairsOf(system, shard, root)
  const names = pairs.map(({ replica }) => replica.name)
  if (pairs.length === 0) output.tell({ event: 'nothing' }, 'There are no replicas.')
  else output.tell({ event: 'feeding', replicas: names }, `Feeding ${names.join(', ')}`)
  if (isOnce) {
    for (const pair of pairs)
      if (!(await fill({ ...pair, output, stopper }))) return exitCodes.stopped
    return exitCodes.done
  }
  const ended = new AbortController()
  const call = { ...root, signal: AbortSignal.any([stopper.signal, ended.signal]) }
  try {
    await Promise.all(pairs.map((pair) => feedOf(pair).run(call)))
  } finally {
    ended.abort()
  }
  return exitCodes.done
}
