/**
 * Key to shard. `slotMapOf` compiles who owns which slot, `cacheTopology` keeps the map, and `createRouter` sends each
 * read and write to the owner, where the fence in the shard has the last word.
 */
export {
  createRouter,
  inWaves,
  type Query,
  type Router,
  type RouterOptions,
  type Slots,
  SplitWriteError,
} from './router.ts'
export { isWritable, ownerOf, readableStates, writableStates } from './ownership.ts'
export { createListing, type Entry, type ListingIndex, type ListPage } from './listing.ts'
export {
  type Backfill,
  backfillLookup,
  type Owners,
  type Repaired,
  type RepairOptions,
  sweepPending,
  verifyLookup,
} from './lookup-repair.ts'
export { UnkeyedStatementError } from './audit.ts'
export { compareValues, mergeRows, type OrderBy } from './merge.ts'
export type { Scattered, ScatterQuery } from './scatter.ts'
export { cacheTopology, type TopologyCache, type TopologySource } from './slots.ts'
export {
  evenSlots,
  InvalidTopologyError,
  type KeyRange,
  type Keyspace,
  type Piece,
  type Placement,
  type ShardInfo,
  type SlotMap,
  slotMapOf,
  type SlotRange,
  type Topology,
} from './topology.ts'
export {
  type Claim,
  claimAll,
  ClaimContendedError,
  claimGraceMs,
  createLookup,
  type Holder,
  type LookupIndex,
} from './lookup.ts'
