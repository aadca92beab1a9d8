/**
 * HTTP at the edge of every service: the routes of a contract served with checked input, one problem shape, request
 * ids, deadlines, bounded bodies, sessions checked beside the work, and Idempotency-Key.
 */
export {
  callOf,
  type Context,
  createService,
  type Handler,
  requestIdOf,
  type Service,
} from './service.ts'
export type { ServiceOptions } from './service.ts'
export { HttpFault } from './http-fault.ts'
export { problemResponse } from './problem.ts'
export { parseJson, readBytes } from './body.ts'
export type { Once } from './once.ts'
export { type Authenticate, type Principal, secretsEqual, type Tokens } from './principal.ts'
export { InvalidEnvError, type PlatformEnv, platformEnv, readEnv } from './env.ts'
export { type InboxOptions, serveInbox } from './inbox.ts'
export { boundFetchers } from './bindings.ts'
export { createMemberService } from './member-service.ts'
export { report } from './report.ts'
export { formatCursor, InvalidCursorError, readCursor } from './cursor.ts'
