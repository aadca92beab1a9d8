import { type Call, rootCall } from '@stoa/kernel'
import { dropReplica, readFeeds } from '@stoa/resharding'
import type { Keyspace, ReplicaInfo, ShardInfo } from '@stoa/sharding'

import { levelReferences } from '../references.ts'
import type { Tools } from './command-line.ts'
import { BadCommandError, UnknownShardError } from './faults.ts'
import { checkNewName, migrateNew } from './new-database.ts'
import { exitCodes } from './output.ts'
import { fill } from './replica-feeding.ts'
import { changeKeyspace, homeOf, readTopology } from './system.ts'

type Asked = Tools & { readonly shard: string; readonly name: string | undefined }

/** The keyspace with other replicas of one shard. */
function withReplicas(
  known: Keyspace,
  name: string,
  change: (replicas: readonly ReplicaInfo[]) => readonly ReplicaInfo[],
): Keyspace {
  const shards = known.shards.map((shard): ShardInfo => {
    if (shard.name !== name) return shard
    const { replicas = [], ...rest } = shard
    const next = change(replicas)
    return next.length === 0 ? rest : { ...rest, replicas: next }
  })
  const next = { ...known, shards }
  return JSON.stringify(next) === JSON.stringify(known) ? known : next
}

function nameOf({ shard, name }: Pick<Asked, 'shard' | 'name'>): string {
  return name ?? `${shard}-replica`
}

/**
 * Makes a database a replica of a shard: created, migrated, filled, and only then named in the topology. Stopped or killed
 * anywhere, the same command goes on; the primary keeps what the replica lacks from the moment the filling began. Answers
 * the exit code.
 *
 * @throws UnknownShardError, DatabaseTakenError, BadCommandError before anything has changed.
 * @throws ReplicaMismatchError when the two cannot be primary and replica.
 */
export async function addReplicaOf(
  options: Asked & { readonly weight: number | undefined },
): Promise<number> {
  const { system, output, stopper, weight } = options
  const call = rootCall('stoa replica add')
  const topology = await readTopology(system, call)
  const { keyspace, shard } = homeOf(topology, options.shard)
  const name = nameOf(options)
  if (shard.url === '')
    throw new BadCommandError(`Cannot copy "${shard.name}": it is not provisioned yet`)
  const isKnown = shard.replicas?.some((each) => each.name === name) ?? false
  if (!isKnown) checkNewName(topology, '', name)
  const primary = system.open(shard)
  // A wrong token or a primary that is away is found before a database is made.
  await readFeeds(primary, call)
  const url = await system.provider.createDatabase(name)
  await migrateNew({ url, token: system.token, keyspace, name })
  const replica = system.open({ name, url })
  await levelReferences(system.meta, [replica], call)
  const isLevel = await fill({ output, stopper, primary, replica })
  if (!isLevel) {
    const text = `Stopped: ${name} is not level yet. The same command goes on.`
    output.tell({ event: 'stopped', replica: name }, text)
    return exitCodes.stopped
  }
  const info = { name, url, ...(weight === undefined ? {} : { weight }) }
  const change = (known: Keyspace) =>
    withReplicas(known, shard.name, (list) => [...list.filter((each) => each.name !== name), info])
  await changeKeyspace(system, { keyspace, change }, call)
  // Whoever spread a newer version before it was named did not know it.
  await levelReferences(system.meta, [replica], call)
  output.tell(
    { event: 'replica', shard: shard.name, replica: name, is: 'added' },
    `${name} is a replica of ${shard.name}. It stays level while this runs: npm run stoa -- replica feed ${shard.name}`,
  )
  return exitCodes.done
}

/** Whether the primary keeps changes for a replica of that name. One round trip. */
async function isFed(options: Asked, shard: ShardInfo, call: Call): Promise<boolean> {
  const feeds = await readFeeds(options.system.open(shard), call)
  return feeds.some(({ name }) => name === nameOf(options))
}

/**
 * Takes a replica out of the topology, then has the primary keep nothing more for it. Its database stays: whoever made it
 * deletes it; sessions with an older topology then read at the primary. The same command again goes on. Answers the exit code.
 *
 * @throws UnknownShardError when the shard has no such replica.
 */
export async function removeReplicaOf(options: Asked): Promise<number> {
  const { system, output } = options
  const call = rootCall('stoa replica remove')
  const { keyspace, shard } = homeOf(await readTopology(system, call), options.shard)
  const name = nameOf(options)
  const replicas = shard.replicas ?? []
  const isNamed = replicas.some((each) => each.name === name)
  if (!(await isFed(options, shard, call)) && !isNamed)
    throw new UnknownShardError(
      'replica',
      name,
      replicas.map((each) => each.name),
    )
  const change = (known: Keyspace) =>
    withReplicas(known, shard.name, (list) => list.filter((each) => each.name !== name))
  await changeKeyspace(system, { keyspace, change }, call)
  await dropReplica(system.open(shard), name, call)
  output.tell(
    { event: 'replica', shard: shard.name, replica: name, is: 'removed' },
    `${name} is no replica any more. Stop its feed; its database may be deleted.`,
  )
  return exitCodes.done
}
