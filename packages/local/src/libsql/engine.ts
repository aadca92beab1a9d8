import { randomBytes } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'

import type { Answer, Database, Engine, Exchange } from '../control/exchange.ts'
import { accessOf } from './access.ts'
import type { DoneMessage } from './messages.ts'
import { Pool } from './pool.ts'
import type { Submission, Ticket } from './pool.ts'
import { QuickLane, quickReadOf } from './quick-lane.ts'
import { databaseName, databaseRouteOf, defaultDatabase, destinationOf, pageOf } from './routes.ts'
import { Store } from './store.ts'

export type LibsqlOptions = {
  /** Holds one file for each database, `<name>.db`; made when missing. */
  readonly dataDir: string
  /** Where clients reach the server, such as `http://127.0.0.1:8791`; asked when an URL is written. */
  readonly origin: () => string
  /** The bearer token that opens every database. Without one nobody is asked. */
  readonly token?: string
  /** A second token, whose writes are refused. */
  readonly readOnlyToken?: string
  /** Threads at most. A query that never ends keeps its thread for ever, so a few more than cores. @default 8 */
  readonly maxThreads?: number
  /** Idle time after which a stream is closed and its transaction rolled back, as in sqld. @default 10_000 */
  readonly streamTtlMs?: number
  /** How long a transaction keeps the write lock once another waits for it, as in sqld. @default 5_000 */
  readonly lockTimeoutMs?: number
}

export class DatabaseNameError extends Error {
  override readonly name = 'DatabaseNameError'
  constructor(given: string) {
    super(`Cannot create the database "${given}": its name does not match ${databaseName.source}`)
  }
}

const defaultThreads = 8
/** sqld's bound on requests for one database at a time. It counts new streams: the holder of a lock must get through. */
const maxConcurrent = 128
const hasBaton = /"baton"\s*:\s*"/
/** The largest request body: four times the longest statement sqld takes. */
const maxBodyBytes = 20_000_000

/**
 * A libSQL server: Hrana 2 and 3 over HTTP, many databases in one process, on SQLite files.
 *
 * An acknowledged commit survives the death of the process, not that of the machine (`synchronous = NORMAL`).
 */
export async function createLibsql(options: LibsqlOptions): Promise<Engine> {
  await mkdir(options.dataDir, { recursive: true })
  const files = await readdir(options.dataDir)
  const names = files.filter((file) => file.endsWith('.db')).map((file) => file.slice(0, -3))
  const server = new Server(options, names)
  await server.create(defaultDatabase)
  return {
    name: 'libsql',
    handle: (exchange) => server.handle(exchange),
    databaseOf: (exchange) => destinationOf(exchange.target, hostOf(exchange)).database,
    databases: { list: () => server.list(), create: (name) => server.create(name) },
    close: () => server.close(),
  }
}

class Server {
  readonly #options: LibsqlOptions
  readonly #pool: Pool
  readonly #names: Set<string>
  readonly #quickLane: QuickLane

  constructor(options: LibsqlOptions, names: readonly string[]) {
    this.#options = options
    this.#names = new Set(names.filter((name) => databaseName.test(name)))
    const maxThreads = Math.max(1, options.maxThreads ?? defaultThreads)
    const threadOptions = {
      dataDir: options.dataDir,
      batonKey: randomBytes(32),
      streamTtlMs: options.streamTtlMs ?? 10_000,
      lockTimeoutMs: options.lockTimeoutMs ?? 5000,
    }
    const eagerThreads = Math.min(maxThreads, availableParallelism())
    this.#pool = new Pool({ ...threadOptions, maxThreads, eagerThreads })
    this.#quickLane = new QuickLane({
      openStore: (name) => new Store({ ...threadOptions, name, expired: () => undefined }),
    })
  }

  list(): Promise<readonly Database[]> {
    return Promise.resolve([...this.#names].toSorted().map((name) => this.#describe(name)))
  }

  /** Makes the file, so that the database is there after a restart too; one that exists stays as it is. */
  async create(name: string): Promise<Database> {
    if (!databaseName.test(name)) throw new DatabaseNameError(name)
    if (!this.#names.has(name)) {
      const { status, body } = await this.#pool.submit(openingOf(name)).done
      if (status !== 200) throw new Error(`Cannot create the database "${name}": ${body}`)
      this.#names.add(name)
    }
    return this.#describe(name)
  }

  #describe(name: string): Database {
    const { origin, token } = this.#options
    return { name, url: `${origin()}/${name}/`, token: token ?? '' }
  }

  handle(exchange: Exchange): Promise<Answer> | Answer {
    const { database, path } = destinationOf(exchange.target, hostOf(exchange))
    const page = pageOf(path)
    if (page !== undefined) return readPage(exchange.method, page)
    const route = databaseRouteOf(path)
    if (route === undefined) return { status: 404 }
    if (exchange.method !== 'POST')
      return { status: exchange.method === 'OPTIONS' ? 200 : 405, headers: { allow: 'POST' } }
    const access = accessOf(exchange.headers['authorization'], this.#options)
    if (access.refusal !== undefined) return failure(401, `Unauthorized: \`${access.refusal}\``)
    if (!this.#names.has(database)) return failure(404, `Namespace \`${database}\` doesn't exist`)
    if (exchange.body.byteLength > maxBodyBytes)
      return failure(413, 'The request body is too large')
    const body = textOf(exchange)
    if (this.#pool.loadOf(database) >= maxConcurrent && !hasBaton.test(body))
      return failure(429, 'Too many concurrent requests')
    if (route.operation === 'pipeline') {
      const answer = this.#answerQuickly(exchange, database, body)
      if (answer !== undefined) return answer
    }
    const submission = { database, ...route, mayWrite: access.mayWrite, body }
    return route.operation === 'cursor'
      ? this.#stream(exchange, submission)
      : this.#answer(exchange, submission)
  }

  /** Reads of single rows are answered at once; anything else goes to a thread. */
  #answerQuickly({ tally }: Exchange, database: string, body: string): Answer | undefined {
    const quickRead = quickReadOf(body)
    if (quickRead === undefined) return undefined
    const schemaVersion = this.#pool.schemaVersionOf(database)
    const answer = this.#quickLane.answer(database, schemaVersion, quickRead)
    if (answer === undefined) return undefined
    tally.add('statements')
    if (answer.rows > 0) tally.add('rowsRead', answer.rows)
    return { status: 200, headers: jsonHeaders, body: answer.body }
  }

  async #answer(exchange: Exchange, submission: Submission): Promise<Answer> {
    const ticket = this.#pool.submit(submission)
    const stopWatching = watch(exchange, ticket)
    const done = await ticket.done
    stopWatching()
    return answerOf(exchange, done)
  }

  /** A cursor's answer: plain while nothing has been read yet, then piece after piece as the reader takes them. */
  async #stream(exchange: Exchange, submission: Submission): Promise<Answer> {
    const pieces = new Pieces()
    const ticket = this.#pool.submit({ ...submission, piece: (text) => pieces.add(text) })
    const stopWatching = watch(exchange, ticket)
    const done = ticket.done.finally(() => {
      stopWatching()
      pieces.end()
    })
    const first = await pieces.next()
    if (first === undefined) return answerOf(exchange, await done)
    const body = read({ first, pieces, ticket }, (end) => count(exchange, end))
    return { status: 200, headers: textHeaders, body }
  }

  close(): Promise<void> {
    this.#quickLane.close()
    return this.#pool.close()
  }
}

/** The pieces of a cursor's answer that nobody has taken yet. */
class Pieces {
  readonly #texts: string[] = []
  #hasEnded = false
  #wake: () => void = () => undefined

  add(text: string): void {
    this.#texts.push(text)
    this.#wake()
  }

  end(): void {
    this.#hasEnded = true
    this.#wake()
  }

  /** The next piece; undefined after the last. */
  async next(): Promise<string | undefined> {
    if (this.#texts.length === 0 && !this.#hasEnded)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#texts.shift()
  }
}

/** Yields a cursor's pieces, asking for each only when the one before was taken; a reader that stops ends the query. */
async function* read(
  cursor: { readonly first: string; readonly pieces: Pieces; readonly ticket: Ticket },
  ended: (done: DoneMessage) => void,
): AsyncGenerator<string, void> {
  let isOver = false
  try {
    for (let text: string | undefined = cursor.first; text !== undefined;) {
      yield text
      cursor.ticket.more()
      text = await cursor.pieces.next()
    }
    isOver = true
    const done = await cursor.ticket.done
    ended(done)
    if (done.status !== 200) throw new Error(`The cursor broke off: ${done.body}`)
  } finally {
    if (!isOver) cursor.ticket.cancel()
  }
}

const openingOf = (database: string): Submission => ({
  database,
  operation: 'open',
  version: 2,
  body: '',
  mayWrite: true,
})

/** Takes the request back when its caller hangs up. */
function watch(exchange: Exchange, ticket: Ticket): () => void {
  const { signal } = exchange
  const cancel = (): void => ticket.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  return () => signal.removeEventListener('abort', cancel)
}

function answerOf(exchange: Exchange, done: DoneMessage): Answer {
  count(exchange, done)
  return {
    status: done.status,
    headers: done.isJson ? jsonHeaders : textHeaders,
    body: done.body,
  }
}

const jsonHeaders = { 'content-type': 'application/json' }
const textHeaders = { 'content-type': 'text/plain' }

function count({ tally }: Exchange, done: DoneMessage): void {
  if (done.statements > 0) tally.add('statements', done.statements)
  if (done.rowsRead > 0) tally.add('rowsRead', done.rowsRead)
  if (done.rowsWritten > 0) tally.add('rowsWritten', done.rowsWritten)
}

function readPage(method: string, body: string): Answer {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET' } }
  return { status: 200, headers: textHeaders, body }
}

function failure(status: number, error: string): Answer {
  return { status, headers: jsonHeaders, body: JSON.stringify({ error }) }
}

function hostOf(exchange: Exchange): string {
  return exchange.headers['host'] ?? ''
}

function textOf({ body }: Exchange): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
}
