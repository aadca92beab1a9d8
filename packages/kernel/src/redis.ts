import type { Call } from './call.ts'
import { Fault } from './fault.ts'

/** What Redis answers. Numbers are exact up to 2^53 - 1; text is UTF-8. */
export type RedisReply = string | number | null | readonly RedisReply[]

export type RedisCommand = readonly (string | number)[]

/** One item of a pipeline: a reply, or Redis' own words for what went wrong. */
export type RedisResult = { readonly result: RedisReply } | { readonly error: string }

export type RedisOptions = {
  /** True when running the command twice does the same as once; only then may it be sent again. */
  readonly idempotent: boolean
}

/** One Redis database over HTTP. */
export type RedisPort = {
  /**
   * Runs one command. One round trip.
   *
   * @throws RedisCommandError when Redis refused it.
   * @throws RedisUnavailableError when there was no answer, and the command did not run or is idempotent.
   * @throws AmbiguousCommandError when a command that is not idempotent may have run.
   * @throws the reason of `call.signal`, when it aborted an idempotent command, or one not sent.
   */
  run(command: RedisCommand, call: Call, options: RedisOptions): Promise<RedisReply>
  /**
   * Runs commands in order, not as a transaction: others may come between, and one may fail while the
   * next succeeds. One round trip. Gives one result for each command.
   *
   * @throws as {@link RedisPort.run}, but for RedisCommandError.
   */
  pipeline(
    commands: readonly RedisCommand[],
    call: Call,
    options: RedisOptions,
  ): Promise<readonly RedisResult[]>
}

/** Redis understood the command and refused it. */
export class RedisCommandError extends Fault {
  override readonly name = 'RedisCommandError'
  override readonly code = 'redis_command'
  override readonly kind = 'failed_precondition'
  /** Redis' first word: `ERR`, `WRONGTYPE`, `NOSCRIPT`, `BUSYGROUP`, … */
  readonly word: string

  constructor(message: string, options?: ErrorOptions) {
    super(`Cannot run the Redis command: ${message}`, options)
    this.word = message.split(' ', 1)[0] ?? ''
  }
}

export type RedisRefusal = 'network' | 'server' | 'rate_limited' | 'unauthorized'

/** Redis could not be asked, or the answer of an idempotent command was lost. */
export class RedisUnavailableError extends Fault {
  override readonly name = 'RedisUnavailableError'
  override readonly code = 'redis_unavailable'
  override readonly kind = 'unavailable'
  override readonly retryable: boolean
  readonly database: string
  readonly reason: RedisRefusal

  constructor(database: string, reason: RedisRefusal, options?: ErrorOptions) {
    super(`Cannot reach Redis "${database}": ${reason}`, options)
    this.database = database
    this.reason = reason
    this.retryable = reason !== 'unauthorized'
  }
}

/** A command that is not idempotent was sent and its reply was lost: it may have run. */
export class AmbiguousCommandError extends Fault {
  override readonly name = 'AmbiguousCommandError'
  override readonly code = 'ambiguous_command'
  override readonly kind = 'unavailable'
  readonly database: string

  constructor(database: string, options?: ErrorOptions) {
    super(`Cannot tell whether Redis "${database}" ran the command: its reply was lost`, options)
    this.database = database
  }
}
