import type { Clock, Random, SqlShard } from '@stoa/kernel'

import type { ShardInfo } from '../topology.ts'
import { createReplicaSet, type ReplicaLimits, type ReplicaSet } from './replica-set.ts'

export type ReplicaOptions = {
  readonly clock: Clock
  /** Chooses between replicas; need not be secret. */
  readonly random: Random
  readonly limits?: Partial<ReplicaLimits>
}

/** The replica sets of a router, shared by its sessions. */
export type ReplicaPool = {
  readonly clock: Clock
  /** `undefined` for a shard without replicas. */
  setOf(this: void, info: ShardInfo): ReplicaSet | undefined
  /** Whether the topology may be read anew for a session, which somebody may have made up: seldom. */
  mayRefresh(this: void): boolean
}

/** Milliseconds between two readings of the topology that sessions ask for. */
const refreshEveryMs = 1_000

export function createReplicaPool(
  { clock, random, limits = {} }: ReplicaOptions,
  open: (info: ShardInfo) => SqlShard,
): ReplicaPool {
  const sets = new Map<string, { readonly made: string; readonly set: ReplicaSet }>()
  let refreshedAt = -Infinity
  return {
    clock,
    setOf: (info) => {
      const { name, incarnation, replicas = [] } = info
      if (replicas.length === 0) return undefined
      const made = JSON.stringify([info.url, incarnation, replicas])
      const known = sets.get(name)
      if (known?.made === made) return known.set
      const set = createReplicaSet({
        primary: open(info),
        incarnation,
        replicas: replicas.map((each) => ({
          shard: open({ name: each.name, url: each.url, incarnation }),
          weight: each.weight,
        })),
        clock,
        random,
        limits,
      })
      sets.set(name, { made, set })
      return set
    },
    mayRefresh: () => {
      const now = clock.now()
      if (now - refreshedAt < refreshEveryMs) return false
      refreshedAt = now
      return true
    },
  }
}
