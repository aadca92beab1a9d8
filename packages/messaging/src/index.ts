/**
 * Reliable messages between services. A commit writes rows and events together (outbox); the relay publishes them,
 * at least once; the inbox applies each exactly once. `createOnceRunner` does the same for an Idempotency-Key.
 */
export {
  type EventSource,
  isOf,
  newEvent,
  readEvents,
  type StoaEvent,
  type Unreadable,
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
export { insertEventWhen } from './outbox.ts'
export { inboxUrl, publishEvents, type RelayDeps, type SweepReport, sweepOutbox } from './relay.ts'
