/**
 * The words everything in Stoa is said in: faults, calls, time, chance, ids, and the ports through which
 * a package reaches a database, Redis, a queue or another service. No runtime inside, no dependencies.
 */
export { Fault, type FaultKind, isFault } from './fault.ts'
export { type Call, DeadlineExceededError, remainingMs, rootCall, within } from './call.ts'
export { type Clock, type ManualClock, manualClock, sleep, systemClock, timeout } from './clock.ts'
export { type Random, secureRandom, seededRandom } from './random.ts'

export { xxh32, xxh32Bytes } from './xxh32.ts'
export {
  keyText,
  ownerCount,
  parseSlot,
  type Place,
  placeOfText,
  type RouteKey,
  slotCount,
  slotOfKey,
  slotOfId,
  slotOfText,
  slotRange,
  slotText,
} from './slot.ts'
export {
  createIds,
  idFromTimeKey,
  idLength,
  type Ids,
  parseId,
  prefixOf,
  prefixOfText,
  timeKey,
  timeOf,
} from './id.ts'
export { parseTypedId, typedId } from './typed-id.ts'
export { InvalidIdError } from './invalid-id.ts'

export type { BatchMode, Rows, SqlShard, SqlValue, Statement } from './sql.ts'
export {
  AmbiguousWriteError,
  type ConstraintType,
  readConstraint,
  ShardBusyError,
  ShardUnavailableError,
  SqlConstraintError,
  type UnavailableReason,
} from './sql-faults.ts'
export {
  type Fence,
  type FencedState,
  parseFence,
  ShardFencedError,
  type SlotState,
  slotStates,
} from './fence.ts'
export {
  AmbiguousCommandError,
  type RedisCommand,
  RedisCommandError,
  type RedisOptions,
  type RedisPort,
  type RedisRefusal,
  type RedisReply,
  type RedisResult,
  RedisUnavailableError,
} from './redis.ts'
export {
  AmbiguousPublishError,
  BadSignatureError,
  type FlowControl,
  type Published,
  type QueueMessage,
  type QueuePort,
  type QueueRefusal,
  QueueUnavailableError,
  type QueueVerifier,
  type SignedDelivery,
} from './queue.ts'
export { failureOfFetch, type Fetcher, type FetchFailure } from './http.ts'
