import {
  AmbiguousCommandError,
  type Call,
  failureOfFetch,
  RedisCommandError,
  type RedisOptions,
  type RedisPort,
  type RedisReply,
  type RedisResult,
  RedisUnavailableError,
} from '@stoa/kernel'
import { errors, Redis, type UpstashRequest } from '@upstash/redis/cloudflare'

export type UpstashRedisOptions = {
  /** The name of the database in the configuration; it appears in faults and logs. */
  readonly name: string
  readonly url: string
  readonly token: string
  /** The header that carries the request id. Default: `x-request-id`. */
  readonly requestIdHeader?: string
}

/** How often an idempotent request is sent again after a network error. */
const retries = 2
const backoffMs = 20

/** The official client, open at the one point where a request may carry its own headers and signal. */
class Transport extends Redis {
  constructor(options: UpstashRedisOptions, attempts: number) {
    super({
      url: options.url,
      token: options.token,
      // `retry: false` still sends a second time; only a count of 0 sends once.
      retry: { retries: attempts, backoff: (attempt) => backoffMs * 2 ** attempt },
      responseEncoding: false,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      enableTelemetry: false,
      latencyLogging: false,
    })
  }

  /** What the server answered, not yet checked. */
  async send(request: UpstashRequest): Promise<unknown> {
    return await this.client.request(request)
  }
}

/**
 * A Redis database over Upstash's REST, through the official client. One HTTP request a call; only an
 * idempotent one is sent again, at most twice, after a network error.
 *
 * @throws the client's `UrlError` when `url` is none.
 */
export function upstashRedis(options: UpstashRedisOptions): RedisPort {
  const once = new Transport(options, 0)
  const again = new Transport(options, retries)
  const header = options.requestIdHeader ?? 'x-request-id'
  const send = async (request: UpstashRequest, call: Call, { idempotent }: RedisOptions) => {
    call.signal.throwIfAborted()
    const transport = idempotent ? again : once
    const headers = { [header]: call.requestId }
    try {
      const answer = await transport.send({ ...request, headers, signal: call.signal })
      // When the signal aborts, the client answers with a success that it made up.
      call.signal.throwIfAborted()
      return answer
    } catch (error) {
      throw faultOf(error, { database: options.name, idempotent, call })
    }
  }
  return {
    async run(command, call, redisOptions) {
      const answer = readResult(await send({ body: command }, call, redisOptions))
      if ('error' in answer) throw new RedisCommandError(answer.error)
      return answer.result
    },
    async pipeline(commands, call, redisOptions) {
      call.signal.throwIfAborted()
      if (commands.length === 0) return []
      const answers = await send({ path: ['pipeline'], body: commands }, call, redisOptions)
      if (!Array.isArray(answers) || answers.length !== commands.length) {
        throw new AmbiguousCommandError(options.name)
      }
      return answers.map(readResult)
    },
  }
}

type Attempt = { readonly database: string; readonly idempotent: boolean; readonly call: Call }

/** Redis' errors begin with a word in capitals; those of the REST front do not. */
const redisWord = /^[A-Z]{2,} /

function faultOf(error: unknown, { database, idempotent, call }: Attempt): Error {
  const said = error instanceof errors.UpstashError ? messageOf(error) : undefined
  if (said !== undefined && !call.signal.aborted) {
    if (/unauthorized|WRONGPASS|NOPERM/i.test(said)) {
      return new RedisUnavailableError(database, 'unauthorized')
    }
    if (/max (daily )?requests? limit/i.test(said)) {
      return new RedisUnavailableError(database, 'rate_limited')
    }
    if (redisWord.test(said)) return new RedisCommandError(said)
  }
  const cause = { cause: said === undefined ? error : new Error(said) }
  if (!idempotent && failureOfFetch(error) === 'unknown') {
    return new AmbiguousCommandError(database, cause)
  }
  if (call.signal.aborted) return asError(call.signal.reason)
  const answered = said !== undefined || error instanceof errors.UpstashJSONParseError
  return new RedisUnavailableError(database, answered ? 'server' : 'network', cause)
}

/** The client appends the whole command, values and all, to the message; they must not reach a log. */
function messageOf(error: Error): string {
  return error.message.split(', command was: ', 1)[0] ?? ''
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
}

function readResult(answer: unknown): RedisResult {
  if (typeof answer !== 'object' || answer === null)
    throw new TypeError('Cannot read the reply of Redis')
  if ('error' in answer && typeof answer.error === 'string') return { error: answer.error }
  return { result: 'result' in answer ? readReply(answer.result) : null }
}

function readReply(value: unknown): RedisReply {
  if (typeof value === 'string' || typeof value === 'number') return value
  if (Array.isArray(value)) return value.map(readReply)
  return null
}
