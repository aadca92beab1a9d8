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

type Held = { readonly topology: Topology; readonly maps: Map<string, SlotMap> }

/**
 * Keeps what `read` answered. When `read` fails and something is held, that is used: the fence makes any age safe.
 *
 * No promise of another request is ever awaited: two requests of a cold isolate may both read.
 */
export function cacheTopology(read: TopologySource): TopologyCache {
  let held: Held | undefined
  const take = async (call: Call): Promise<Held> => {
    const topology = await read(call)
    if (held === undefined || topology.version >= held.topology.version) {
      held = { topology, maps: new Map() }
    }
    return held
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
  return {
    shards: async (call) => {
      const { topology } = await retake(call)
      const all = Object.values(topology.keyspaces).flatMap(({ shards }) => shards)
      // A keyspace that is being provisioned is planned before its databases have an address.
      return all.filter(({ url }) => url !== '')
    },
    slots: (keyspace) => ({
      current: (call) => {
        if (held !== undefined) {
          try {
            return mapOf(held, keyspace)
          } catch (error) {
            // A keyspace that was not there, or not yet complete, when this was read.
            if (!(error instanceof InvalidTopologyError)) throw error
          }
        }
        return take(call).then((taken) => mapOf(taken, keyspace))
      },
      refresh: async (call) => mapOf(await retake(call), keyspace),
    }),
  }
}
