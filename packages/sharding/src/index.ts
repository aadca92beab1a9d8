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
export type { Session, SessionOptions } from './replicas/session.ts'
export { mergeTokens } from './replicas/session-token.ts'
export type { ReplicaOptions } from './replicas/pool.ts'
export { createReplicaSet, type ReplicaLimits, type ReplicaSet } from './replicas/replica-set.ts'
export { type Balancer, type BalancerOptions, createBalancer } from './replicas/balancer.ts'
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
  claimMender,
} from './lookup-repair.ts'
export { UnkeyedStatementError } from './audit.ts'
export { compareValues, mergeRows, type OrderBy } from './merge.ts'
export type { Scattered, ScatterQuery } from './scatter.ts'
export {
  cacheTopology,
  type NearTopology,
  type TopologyCache,
  type TopologySource,
} from './slots.ts'
export {
  evenSlots,
  InvalidTopologyError,
  type KeyRange,
  type Keyspace,
  type Piece,
  type Placement,
  type ReplicaInfo,
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
export {
  publishReference,
  readReference,
  type Reference,
  type ReferenceTable,
  type ReferenceValue,
  referenceVersions,
} from './reference.ts'
export {
  type ReferenceCopy,
  type ReferenceReport,
  spreadReference,
  verifyReference,
} from './reference-spread.ts'
export {
  InvalidReferenceError,
  ReferenceConflictError,
  ReferenceNotFoundError,
  ReferenceTooLargeError,
  ReferenceUnlikeError,
} from './reference-faults.ts'

export { catalogueQuery, readCatalogue, type TableInfo } from './fence/catalogue.ts'
export { shapeOf, type TableShape } from './fence/shape.ts'
export {
  dropTriggers,
  type FenceSet,
  fenceSetOf,
  installFence,
  schemaMark,
  UnfenceableSchemaError,
} from './fence/fence-set.ts'
export { isFenceTrigger } from './fence/triggers.ts'
export { hex64, type Hash64, xxh64, xxh64Bytes } from './hash/xxh64.ts'
export { murmur3, murmur3Bytes } from './hash/murmur3.ts'
export { crc16, redisSlot } from './hash/crc16.ts'
export type { PlacementAlgorithm, PlacementKey, PlacementNode } from './placement/algorithm.ts'
export {
  ImpossiblePlanError,
  InvalidPlacementError,
  UnplaceableKeyError,
} from './placement/faults.ts'
export { type Hash32, hashModulo, modulo } from './placement/modulo.ts'
export { jump, jumpBucket } from './placement/jump.ts'
export { ketama, type KetamaOptions } from './placement/ketama.ts'
export { rendezvous } from './placement/rendezvous.ts'
export { maglev, type MaglevOptions } from './placement/maglev.ts'
export { boundaryRange } from './placement/boundary-range.ts'
export { volumeRange, type VolumeRangeOptions } from './placement/volume-range.ts'
export { timeInterval, type TimeIntervalOptions, type TimeUnit } from './placement/time-interval.ts'
export { type NamedRange, namedRange } from './placement/named-range.ts'
export { directory, type DirectoryOptions } from './placement/directory.ts'
export { inline } from './placement/inline.ts'
export { complex } from './placement/complex.ts'
export { slotsBy } from './placement/slots-by.ts'
export type { Move, MovePlan } from './placement/move-plan.ts'
export {
  type Pin,
  planMoves,
  type PlanMovesOptions,
  type PlanNode,
} from './placement/plan-moves.ts'
export {
  planDrain,
  type PlanDrainOptions,
  planIsolate,
  type PlanIsolateOptions,
  planMerge,
  type PlanPairOptions,
  planSplit,
} from './placement/plan-shards.ts'
export {
  type PhysicalTable,
  shardedTable,
  type ShardedTable,
  type ShardedTableOptions,
  slotBits,
} from './placement/tables.ts'
