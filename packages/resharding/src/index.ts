/**
 * Moves keys between the databases of a keyspace while writes go on. `createMover` starts moves, carries them on from
 * what the databases say, and takes them back.
 */
export { createMover, type Mover } from './mover.ts'
export { defaultLimits, type MoveLimits, type MoverOptions } from './options.ts'
export { scopesOf } from './scopes.ts'
export {
  createReplicaFeed,
  dropReplica,
  type FeedProgress,
  readFeeds,
  type ReplicaFeed,
} from './replica-feed.ts'
export type { FeedLimits, ReplicaFeedOptions } from './replica-options.ts'
export { ReplicaMismatchError } from './replica-faults.ts'
export {
  type Difference,
  isAtRest,
  isOver,
  type Move,
  type MovePhase,
  type MovePlan,
  type MoveProgress,
  type MoveRequest,
  type MoveScope,
  type MoveSpec,
  type Verification,
} from './job.ts'
export {
  InvalidMoveError,
  MoveConflictError,
  MoveNotFoundError,
  MovePhaseError,
  SchemaMismatchError,
  TargetNotEmptyError,
  WrongIncarnationError,
} from './faults.ts'
