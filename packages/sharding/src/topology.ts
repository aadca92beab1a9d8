import { Fault, keyText, type RouteKey, slotCount, slotOfKey, slotRange } from '@stoa/kernel'

/** A copy of a shard that a feed keeps level with it. */
export type ReplicaInfo = {
  readonly name: string
  readonly url: string
  /** Its share of the reads among replicas that are equally fast. Default: 1. */
  readonly weight?: number
}

/** A database of a keyspace. The incarnation tells it from a copy of itself. */
export type ShardInfo = {
  readonly name: string
  readonly url: string
  readonly incarnation: string
  /** Copies that sessions may read at. */
  readonly replicas?: readonly ReplicaInfo[]
}

/** Slots `from` to `to`, both included, as one shard serves them at one epoch. */
export type SlotRange = {
  readonly from: number
  readonly to: number
  readonly shard: string
  readonly epoch: number
}

/**
 * An override: keys `from <= key < to`, all of one slot, as one shard serves them at one epoch. Of ranges that hold a
 * key the innermost counts; two may lie one in the other, but not cross, and no two begin at one key.
 */
export type KeyRange = {
  /** At least five characters: an owner's prefix, or longer. */
  readonly from: string
  readonly to: string
  readonly shard: string
  readonly epoch: number
}

export type Keyspace = {
  readonly shards: readonly ShardInfo[]
  /** A partition of all slots, ascending. */
  readonly slots: readonly SlotRange[]
  /** Hot owners set apart, and sub-keys of one owner spread over several shards. */
  readonly ranges?: readonly KeyRange[]
  /** Slots lie and move in whole groups of so many, each from a multiple of it; a power of two. Default: 1. */
  readonly unit?: number
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

/** Where a key is: the shard, and the epoch and incarnation that its fence will ask for. */
export type Placement = {
  readonly key: RouteKey
  readonly epoch: number
  readonly shard: ShardInfo
}

/** Keys `from <= key < to` that one shard serves. */
export type Piece = { readonly from: string; readonly to: string; readonly place: Placement }

/** A compiled map. */
export type SlotMap = {
  /** Of the topology that it was made from. */
  readonly version: number
  readonly shards: readonly ShardInfo[]
  /** One array read; in a slot that has overrides, a pass over those. */
  place(key: RouteKey): Placement
  /** Whether an override begins at `key`. */
  begins(key: string): boolean
  /** Who serves the keys `from <= key < to`, in key order, without a gap; all of them in one slot. */
  pieces(from: string, to: string): readonly Piece[]
}

type Owner = { readonly shard: ShardInfo; readonly epoch: number }
type OwnedRange = Owner & { readonly from: string; readonly to: string }

/**
 * Compiles a keyspace's ranges. Costs one pass over the ranges and 16,384 entries.
 *
 * @throws InvalidTopologyError when they overlap, leave a gap, cross, or name a shard that is unknown or has no
 *   address yet.
 */
export function slotMapOf(name: string, keyspace: Keyspace, version = 0): SlotMap {
  const byName = new Map(keyspace.shards.map((shard) => [shard.name, shard]))
  const shardOf = (wanted: string): ShardInfo => {
    const shard = byName.get(wanted)
    if (shard === undefined) throw new InvalidTopologyError(name, `shard "${wanted}" is unknown`)
    if (shard.url === '')
      throw new InvalidTopologyError(name, `shard "${wanted}" is not provisioned yet`)
    return shard
  }
  const owners: Owner[] = []
  for (const range of keyspace.slots) {
    if (range.from !== owners.length || range.to < range.from || range.to >= slotCount) {
      throw new InvalidTopologyError(
        name,
        `slots ${range.from} to ${range.to} do not follow ${owners.length - 1}`,
      )
    }
    const owner = { shard: shardOf(range.shard), epoch: range.epoch }
    while (owners.length <= range.to) owners.push(owner)
  }
  if (owners.length !== slotCount) {
    throw new InvalidTopologyError(name, `slots from ${owners.length} on have no owner`)
  }
  const overrides = overridesOf(name, keyspace.ranges ?? [], shardOf)
  const place = (key: RouteKey): Placement => {
    const slot = slotOfKey(key)
    const owner = innermost(overrides.get(slot), key) ?? owners[slot]
    if (owner === undefined)
      throw new RangeError(`Cannot place slot ${slot}: there are ${slotCount}`)
    return { key, epoch: owner.epoch, shard: owner.shard }
  }
  return {
    version,
    shards: keyspace.shards,
    place,
    begins: (key) => overrides.get(slotOfKey(key))?.some(({ from }) => from === key) ?? false,
    pieces: (from, to) => {
      const slot = slotOfKey(from)
      if (to <= from || to > slotRange(slot).to)
        throw new RangeError(`Cannot read keys "${from}" to "${to}": they are not of one slot`)
      const inside = (overrides.get(slot) ?? []).flatMap((range) => [range.from, range.to])
      const cuts = inside.filter((key) => from < key && key < to).toSorted()
      const starts = [...new Set([from, ...cuts])]
      return starts.map((start, index) => ({
        from: start,
        to: starts[index + 1] ?? to,
        place: place(start),
      }))
    },
  }
}

/** Of the ranges that hold `key`, the one that begins last lies in all the others. */
function innermost(ranges: readonly OwnedRange[] | undefined, key: RouteKey): Owner | undefined {
  if (ranges === undefined) return undefined
  const text = keyText(key)
  return ranges.findLast((range) => range.from <= text && text < range.to)
}

/** The overrides by slot, each slot's in order of where they begin. */
function overridesOf(
  name: string,
  ranges: readonly KeyRange[],
  shardOf: (name: string) => ShardInfo,
): ReadonlyMap<number, readonly OwnedRange[]> {
  const owned = ranges.map(({ from, to, shard, epoch }) => {
    const isInSlot = from.length >= 5 && from < to && to <= slotRange(slotOfKey(from)).to
    if (!isInSlot) throw new InvalidTopologyError(name, `"${from}" to "${to}" is no part of a slot`)
    return { from, to, shard: shardOf(shard), epoch }
  })
  const sorted = owned.toSorted((one, other) => (one.from < other.from ? -1 : 1))
  const open: OwnedRange[] = []
  for (const range of sorted) {
    while ((open.at(-1)?.to ?? range.to) <= range.from) open.pop()
    const outer = open.at(-1)
    if (outer !== undefined && (outer.from === range.from || range.to > outer.to))
      throw new InvalidTopologyError(name, `"${range.from}" to "${range.to}" crosses another range`)
    open.push(range)
  }
  return Map.groupBy(sorted, ({ from }) => slotOfKey(from))
}

/** An even map over `shards`, in order, at epoch 1: how a keyspace begins. Ranges are whole groups of `unit` slots. */
export function evenSlots(shards: readonly string[], unit = 1): readonly SlotRange[] {
  const begin = (index: number) => Math.floor((index * slotCount) / unit / shards.length) * unit
  return shards.map((shard, index) => ({
    from: begin(index),
    to: begin(index + 1) - 1,
    shard,
    epoch: 1,
  }))
}
