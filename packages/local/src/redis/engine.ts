import type { Bytes } from './bytes.ts'
import type { Reply } from './reply.ts'

/** A command and its arguments. */
export type Argv = readonly Bytes[]

/** `single` and `pipeline` run in order, `multi` runs as one transaction that is either queued whole or discarded. */
export type Mode = 'single' | 'pipeline' | 'multi'

export type Outcome = {
  /** One reply a command, in order; empty when the transaction was discarded. */
  readonly replies: readonly Reply[]
  /** Commands that scripts ran inside; billed on top of the ones sent. */
  readonly innerCalls: number
  /** Why a transaction was discarded before it ran. */
  readonly discarded?: string
}

/** What a subscriber hears, in the order of the events. */
export type Heard = { readonly kind: string; readonly parts: readonly Bytes[] }

export type Subscription = AsyncIterable<Heard>

export type Interest = {
  readonly kind: 'subscribe' | 'psubscribe' | 'monitor'
  /** Channels or patterns; empty for `monitor`. */
  readonly names: readonly Bytes[]
  /** Ends the subscription. */
  readonly signal: AbortSignal
}

/**
 * Redis behind the REST front. Databases are numbers; the front gives them names.
 *
 * An acknowledged write survives the death of every process of the engine; it need not survive a power cut.
 */
export type RedisEngine = {
  /** Such as `redis-server 7.0.15` or `in-process`. */
  readonly name: string
  /** How many databases there can be. */
  readonly capacity: number
  /** @throws EngineDownError when the engine is away; the effect of commands under way is then unknown. */
  run(db: number, commands: readonly Argv[], mode: Mode): Promise<Outcome>
  listen(db: number, interest: Interest): Subscription
  close(): Promise<void>
}

/** The engine cannot answer now; asking again later may work. */
export class EngineDownError extends Error {
  override readonly name = 'EngineDownError'
}
