import type { Call } from '@stoa/kernel'

import type { Slots } from './router.ts'
import { InvalidTopologyError, type SlotMap, slotMapOf, type Topology } from './topology.ts'

export type TopologySource = (call: Call) => Promise<Topology>

/** The topology, read once an isolate and again only when a fence proves it old. */
export type TopologyCache = {
  /** The slots of one keyspace. */
  slots(keyspace: string): Slots
  /** The names of all keyspaces. */
  keyspaces(call: Call): Promise<readonly string[]>
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
  const mapOf = ({ topology, maps }: Held, keyspace: string): SlotMap => {
    const known = maps.get(keyspace)
    if (known !== undefined) return known
    const definition = topology.keyspaces[keyspace]
    if (definition === undefined)
      throw new InvalidTopologyError(keyspace, 'the topology does not name it')
    const map = slotMapOf(keyspace, definition)
    maps.set(keyspace, map)
    return map
  }
  return {
    keyspaces: async (call) => Object.keys((held ?? (await take(call))).topology.keyspaces),
    slots: (keyspace) => ({
      current: async (call) => mapOf(held ?? (await take(call)), keyspace),
      refresh: async (call) => {
        const lastKnown = held
        const fresh = await take(call).catch((error: unknown) => {
          if (lastKnown === undefined) throw error
          return lastKnown
        })
        return mapOf(fresh, keyspace)
      },
    }),
  }
}
