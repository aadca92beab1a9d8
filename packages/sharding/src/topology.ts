import { Fault, slotCount } from '@stoa/kernel'

/** A database of a keyspace. The incarnation tells it from a copy of itself. */
export type ShardInfo = {
  readonly name: string
  readonly url: string
  readonly incarnation: string
}

/** Slots `from` to `to`, both included, as one shard serves them at one epoch. */
export type SlotRange = {
  readonly from: number
  readonly to: number
  readonly shard: string
  readonly epoch: number
}

export type Keyspace = {
  readonly shards: readonly ShardInfo[]
  /** A partition of all slots, ascending. */
  readonly slots: readonly SlotRange[]
}

/** Who owns which slot, as the `meta` database says. However old it is, the fence in each shard keeps it safe. */
export type Topology = {
  readonly version: number
  readonly keyspaces: Readonly<Record<string, Keyspace>>
}

/** A topology that is no partition of the slots, or names a shard that is not there. */
export class InvalidTopologyError extends Fault {
  override readonly name = 'InvalidTopologyError'
  override readonly code = 'invalid_topology'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(keyspace: string, why: string) {
    super(`Cannot use the slot map of keyspace "${keyspace}": ${why}`)
  }
}

/** Where a slot is: the shard, and the epoch and incarnation that its fence will ask for. */
export type Placement = {
  readonly slot: number
  readonly epoch: number
  readonly shard: ShardInfo
}

/** A compiled slot map: one array read a look-up. */
export type SlotMap = {
  readonly shards: readonly ShardInfo[]
  place(slot: number): Placement
}

/**
 * Compiles a keyspace's ranges. Costs one pass over the ranges and 16,384 entries; a look-up is O(1).
 *
 * @throws InvalidTopologyError when they overlap, leave a gap, or name a shard that is unknown or has no address yet.
 */
export function slotMapOf(name: string, keyspace: Keyspace): SlotMap {
  const byName = new Map(keyspace.shards.map((shard) => [shard.name, shard]))
  const owners: { readonly shard: ShardInfo; readonly epoch: number }[] = []
  for (const range of keyspace.slots) {
    const shard = byName.get(range.shard)
    if (shard === undefined)
      throw new InvalidTopologyError(name, `shard "${range.shard}" is unknown`)
    if (shard.url === '')
      throw new InvalidTopologyError(name, `shard "${range.shard}" is not provisioned yet`)
    if (range.from !== owners.length || range.to < range.from || range.to >= slotCount) {
      throw new InvalidTopologyError(
        name,
        `slots ${range.from} to ${range.to} do not follow ${owners.length - 1}`,
      )
    }
    const owner = { shard, epoch: range.epoch }
    while (owners.length <= range.to) owners.push(owner)
  }
  if (owners.length !== slotCount) {
    throw new InvalidTopologyError(name, `slots from ${owners.length} on have no owner`)
  }
  return {
    shards: keyspace.shards,
    place: (slot) => {
      const owner = owners[slot]
      if (owner === undefined)
        throw new RangeError(`Cannot place slot ${slot}: there are ${slotCount}`)
      return { slot, ...owner }
    },
  }
}

/** An even map over `shards`, in order, at epoch 1: how a keyspace begins. */
export function evenSlots(shards: readonly string[]): readonly SlotRange[] {
  return shards.map((shard, index) => ({
    from: Math.floor((index * slotCount) / shards.length),
    to: Math.floor(((index + 1) * slotCount) / shards.length) - 1,
    shard,
    epoch: 1,
  }))
}
