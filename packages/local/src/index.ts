/**
 * The embedded platform: libSQL over HTTP, Upstash Redis over REST, QStash and a payment provider on loopback, for
 * development and tests, used through the vendors' own clients. `startLocal` opens them in this process; `supervise` runs them as
 * processes that come back by themselves.
 */
export { startLocal, type Local, type LocalOptions } from './start-local.ts'
export { supervise, type Supervised } from './supervise.ts'
export {
  clientEnv,
  devTokens,
  InvalidConfigError,
  type LocalConfig,
  parsePort,
  readConfig,
  type ServerName,
  serverNames,
} from './config.ts'
export { openServer, type OpenServer } from './open-server.ts'
export { PortTakenError } from './control/front.ts'
export { untilTold } from './until-told.ts'
export type { Counts, Span, Unit } from './control/meter.ts'
export type { Action, Match, Rule } from './control/faults.ts'
