import type { Call } from '@stoa/kernel'

import type { Slots } from './router.ts'
import {
  InvalidTopologyError,
  type ShardInfo,
  type SlotMap,
  slotMapOf,
  type Topology,
} from './topology.ts'

export type TopologySource = (call: Call) => Promise<Topology>

/** Where isolates of one place leave the topology for the next one that starts, as the Workers' Cache API. */
export type NearTopology = {
  load(this: void): Promise<Topology | undefined>
  save(this: void, topology: Topology): Promise<void>
}

/** The topology, read once an isolate and again only when a fence proves it old. */
export type TopologyCache = {
  /** The slots of one keyspace. */
  slots(keyspace: string): Slots
  /**
   * Every database of every keyspace, read anew, for sweeps: no fence tells a sweep that the topology has grown. One
   * round trip; when it fails, what is held.
   */
  shards(call: Call): Promise<readonly ShardInfo[]>
}

type Held = {
  readonly topology: Topology
  readonly maps: Map<string, SlotMap>
  /** Found near, and not read: any answer of the database is better, also one that was restored and counts anew. */
  readonly isGuess: boolean
}

/**
 * Keeps what `read` answered. When `read` fails and something is held, that is used: the fence makes any age safe. So
 * a cold isolate begins with what is `near`, of whatever age, and pays no round trip to the database.
 *
 * No promise of another request is ever awaited: two requests of a cold isolate may both read.
 */
export function cacheTopology(read: TopologySource, near?: NearTopology): TopologyCache {
  let held: Held | undefined
  const take = async (call: Call): Promise<Held> => {
    const topology = await read(call)
    // The same version again keeps its compiled maps.
    if (held !== undefined && !held.isGuess && topology.version <= held.topology.version)
      return held
    const taken = { topology, maps: new Map<string, SlotMap>(), isGuess: false }
    held = taken
    // What is near only saves time: routing goes on without it.
    await near?.save(topology).catch(() => undefined)
    return taken
  }
  const retake = async (call: Call): Promise<Held> => {
    const lastKnown = held
    try {
      return await take(call)
    } catch (error) {
      if (lastKnown === undefined) throw error
      return lastKnown
    }
  }
  const mapOf = ({ topology, maps }: Held, keyspace: string): SlotMap => {
    const known = maps.get(keyspace)
    if (known !== undefined) return known
    const definition = topology.keyspaces[keyspace]
    if (definition === undefined)
      throw new InvalidTopologyError(keyspace, 'the topology does not name it')
    const map = slotMapOf(keyspace, definition, topology.version)
    maps.set(keyspace, map)
    return map
  }
  /** The map by what is held; undefined when that lacks the keyspace, or is not yet complete. */
  const heldMap = (keyspace: string): SlotMap | undefined => {
    try {
      return held && mapOf(held, keyspace)
    } catch (error) {
      if (error instanceof InvalidTopologyError) return undefined
      throw error
    }
  }
  const firstMap = async (keyspace: string, call: Call): Promise<SlotMap> => {
    if (held === undefined) {
      const found = await near?.load().catch(() => undefined)
      if (found !== undefined) held ??= { topology: found, maps: new Map(), isGuess: true }
    }
    return heldMap(keyspace) ?? mapOf(await take(call), keyspace)
  }
  return {
    shards: async (call) => {
      const { topology } = await retake(call)
      const all = Object.values(topology.keyspaces).flatMap(({ shards }) => shards)
      // A keyspace that is being provisioned is planned before its databases have an address.
      return all.filter(({ url }) => url !== '')
    },
    slots: (keyspace) => ({
      current: (call) => heldMap(keyspace) ?? firstMap(keyspace, call),
      refresh: async (call) => mapOf(await retake(call), keyspace),
    }),
  }
}
