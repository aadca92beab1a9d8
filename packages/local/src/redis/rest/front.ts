import type { Answer, Exchange } from '../../control/exchange.ts'
import type { Argv, Interest, Mode, Outcome, RedisEngine } from '../engine.ts'
import { EngineDownError } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { encodeError, encodeReply, encodeResp2, type Format } from './encode.ts'
import { eventStream } from './events.ts'
import { noPermission, notAvailable, refusalOf, type Access } from './refusals.ts'
import {
  addressOf,
  BadBodyError,
  bodyCommand,
  bodyCommands,
  pathCommand,
  segmentsOf,
  tokenOf,
  type Address,
} from './request.ts'

export type FrontParts = {
  readonly engine: RedisEngine
  readonly token: string
  readonly readOnlyToken: string | undefined
  /** The number of a named database; undefined when there is none of that name. */
  readonly numberOf: (name: string) => number | undefined
}

/** The limit of the Free and Pay-as-you-go plans. */
const maxRequestBytes = 10 * 1024 * 1024

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT'])
const unauthorized = 'WRONGPASS invalid or missing auth token'
const interests = ['subscribe', 'psubscribe', 'monitor'] as const

/** A request that is let in. */
type Visit = {
  readonly address: Address
  readonly db: number
  readonly access: Access
  readonly format: Format
}

/**
 * The REST API of Upstash Redis over an engine.
 *
 * @see https://upstash.com/docs/redis/features/restapi
 */
export class RestFront {
  readonly #parts: FrontParts
  /** Grows with every answer: the read-your-writes token of a database that has no replicas to wait for. */
  #answered = 0

  constructor(parts: FrontParts) {
    this.#parts = parts
  }

  async handle(exchange: Exchange): Promise<Answer> {
    const visit = this.#admit(exchange)
    if ('status' in visit) return visit
    try {
      return await this.#route(exchange, visit)
    } catch (error) {
      if (error instanceof BadBodyError) return failure(400, error.message)
      if (error instanceof EngineDownError) return unavailable(error)
      throw error
    }
  }

  /** Token first, on every route; then the database, the method, the size and the format. */
  #admit(exchange: Exchange): Visit | Answer {
    const address = addressOf(exchange)
    const access = this.#accessOf(tokenOf(exchange, address.query))
    if (!access) return failure(401, unauthorized)
    const db = this.#parts.numberOf(address.database)
    if (db === undefined) return failure(404, `ERR database '${address.database}' not found`)
    if (!methods.has(exchange.method)) return failure(405, 'ERR method not allowed')
    if (exchange.body.length > maxRequestBytes) {
      const sizes = `Limit: ${maxRequestBytes} bytes, Actual: ${exchange.body.length} bytes`
      return failure(400, `ERR max request size exceeded. ${sizes}`)
    }
    const format = formatOf(exchange)
    return typeof format === 'object' ? format : { address, db, access, format }
  }

  #accessOf(token: string | undefined): Access | undefined {
    if (token === this.#parts.token) return 'full'
    const { readOnlyToken } = this.#parts
    return readOnlyToken !== undefined && token === readOnlyToken ? 'read-only' : undefined
  }

  #route(exchange: Exchange, visit: Visit): Promise<Answer> | Answer {
    const { path } = visit.address
    const { body } = exchange
    if (path === '/' && (exchange.method === 'POST' || exchange.method === 'PUT')) {
      return this.#single(exchange, visit, bodyCommand(body))
    }
    if (path === '/pipeline') {
      return this.#pipeline(exchange, visit, bodyCommands(body, 'pipeline'))
    }
    if (path === '/multi-exec') {
      return this.#transaction(exchange, visit, bodyCommands(body, 'transaction'))
    }
    const [first = '', ...names] = segmentsOf(path)
    const kind = interests.find((each) => each === first.toLowerCase())
    return kind === undefined
      ? this.#single(exchange, visit, pathCommand(visit.address, body))
      : this.#listen(exchange, visit, { kind, names, signal: exchange.signal })
  }

  async #single(exchange: Exchange, visit: Visit, argv: Argv): Promise<Answer> {
    const refused = refusalOf(argv, visit.access)
    const [reply = null] =
      refused === undefined
        ? await this.#run(exchange, visit, { commands: [argv], mode: 'single' })
        : [new ReplyError(refused)]
    const status = reply instanceof ReplyError ? 400 : 200
    if (visit.format === 'resp2') return this.#binary(status, encodeResp2(reply))
    return this.#json(status, encodeReply(reply, visit.format))
  }

  async #pipeline(exchange: Exchange, visit: Visit, commands: readonly Argv[]): Promise<Answer> {
    const refusals = commands.map((argv) => refusalOf(argv, visit.access))
    const allowed = commands.filter((_, at) => refusals[at] === undefined)
    const ran = await this.#run(exchange, visit, { commands: allowed, mode: 'pipeline' })
    let next = 0
    const replies = refusals.map((refused) =>
      refused === undefined ? (ran[next++] ?? null) : new ReplyError(refused),
    )
    const { format } = visit
    if (format === 'resp2') return this.#binary(200, replies.map(encodeResp2).join(''))
    return this.#json(200, `[${replies.map((reply) => encodeReply(reply, format)).join(',')}]`)
  }

  async #transaction(exchange: Exchange, visit: Visit, commands: readonly Argv[]): Promise<Answer> {
    const refused = commands.map((argv) => refusalOf(argv, visit.access)).find(Boolean)
    if (refused !== undefined) return failure(400, refused)
    const outcome = await this.#outcome(exchange, visit, { commands, mode: 'multi' })
    if (outcome.discarded !== undefined) return failure(400, known(outcome.discarded, commands))
    // The transaction endpoint answers JSON whatever format was asked for.
    const format = visit.format === 'resp2' ? 'json' : visit.format
    const results = outcome.replies.map((reply) => encodeReply(reply, format))
    return this.#json(200, `[${results.join(',')}]`)
  }

  #listen({ signal }: Exchange, visit: Visit, interest: Interest): Answer {
    if (visit.access === 'read-only') return failure(400, noPermission(interest.kind))
    if (interest.kind !== 'monitor' && interest.names.length === 0) {
      return failure(400, `ERR wrong number of arguments for '${interest.kind}' command`)
    }
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
      body: eventStream(this.#parts.engine.listen(visit.db, { ...interest, signal })),
    }
  }

  async #run(exchange: Exchange, visit: Visit, work: Work): Promise<readonly Reply[]> {
    if (work.commands.length === 0) return []
    const { replies } = await this.#outcome(exchange, visit, work)
    return replies.map((reply, at) =>
      reply instanceof ReplyError
        ? new ReplyError(known(reply.message, [work.commands[at] ?? []]))
        : reply,
    )
  }

  async #outcome(exchange: Exchange, visit: Visit, { commands, mode }: Work): Promise<Outcome> {
    const outcome = await this.#parts.engine.run(visit.db, commands, mode)
    const sent = outcome.discarded === undefined ? commands.length : 0
    exchange.tally.add('commands', sent + outcome.innerCalls)
    return outcome
  }

  #json(status: number, body: string): Answer {
    return { status, headers: this.#headers('application/json'), body }
  }

  #binary(status: number, bytes: string): Answer {
    const headers = this.#headers('application/octet-stream')
    return { status, headers, body: Buffer.from(bytes, 'latin1') }
  }

  #headers(type: string): Record<string, string> {
    return { 'content-type': type, 'upstash-sync-token': `local=${++this.#answered}` }
  }
}

type Work = { readonly commands: readonly Argv[]; readonly mode: Mode }

/** Redis' words for a command it has not are not Upstash's. */
function known(message: string, commands: readonly Argv[]): string {
  const match = /^ERR unknown command '(.*?)'/s.exec(message)
  if (!match) return message
  return notAvailable(match[1] ?? commands[0]?.[0] ?? '')
}

function formatOf({ headers }: Exchange): Format | Answer {
  const format = headers['upstash-response-format']?.toLowerCase() ?? 'json'
  const isBase64 = headers['upstash-encoding']?.toLowerCase() === 'base64'
  if (format !== 'json' && format !== 'resp2') {
    return failure(400, `ERR unsupported response format '${format}'`)
  }
  if (format === 'json') return isBase64 ? 'base64' : 'json'
  return isBase64 ? failure(400, 'ERR base64 encoding is not allowed with resp2 format') : 'resp2'
}

function failure(status: number, message: string): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: encodeError(message),
  }
}

function unavailable(error: EngineDownError): Answer {
  const answer = failure(503, `ERR ${error.message}`)
  return { ...answer, headers: { ...answer.headers, 'retry-after': '1' } }
}
