/**
 * Reliable messages between services. A commit writes rows and events together (outbox); the relay publishes them,
 * at least once; the inbox applies each exactly once, and in order where a consumer asks for it. `createOnceRunner` does
 * the same for an Idempotency-Key.
 */
export {
  type EventSource,
  isOf,
  newEvent,
  readEvents,
  type StoaEvent,
  type Unreadable,
  type UnreadableCode,
} from './event.ts'
export { type Committed, type Committer, createCommitter, type Work } from './committer.ts'
export { createMarks, type Marks } from './marks.ts'
export {
  type Answered,
  createOnceRunner,
  KeyReusedError,
  type Once,
  type OnceRunner,
  scopeOf,
} from './once.ts'
export { createInbox, type Effect, type Inbox } from './inbox.ts'
export {
  createOrderedInbox,
  OrderContendedError,
  type OrderedEffect,
  type OrderedInbox,
  type OrderedInboxDeps,
} from './ordered-inbox.ts'
export { insertEventWhen, readOutbox, reviveEvents, selectEvent } from './outbox.ts'
export { type InboxName, inboxUrl } from './parcels.ts'
export { publishEvents, type RelayDeps } from './relay.ts'
export { type SweepReport, sweepOutbox } from './sweep.ts'
export { type Circuits, createCircuits } from './circuits.ts'
export { fillGaps, type GapDeps, type GapReport, type Resend, resendEvents } from './gaps.ts'
export {
  type DeadLetter,
  type DeadLetterDeps,
  type GivenUp,
  type GivenUpPort,
  listDeadLetters,
  mirrorDeadLetters,
  replayDeadLetter,
  ResendRefusedError,
} from './dead-letters.ts'
export { type BarrierOptions, pruneBarriers, pruneShard } from './prune.ts'
