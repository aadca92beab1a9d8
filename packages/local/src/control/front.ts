import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { controlRoutes } from './control.ts'
import type { Answer, Engine, Exchange } from './exchange.ts'
import { type Faults, pause, type Rule } from './faults.ts'
import { type Meter, newTally } from './meter.ts'

/** The largest body any of the three vendors takes, with room: beyond it the connection is refused unread. */
const bodyBytesMax = 110 * 1024 * 1024

const loopbackHost = /^(?:localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i

export class PortTakenError extends Error {
  override readonly name = 'PortTakenError'
  readonly port: number
  constructor(server: string, port: number) {
    super(`Cannot listen for ${server}: port ${port} is taken. Free it, or give another: --help`)
    this.port = port
  }
}

export type FrontOptions = {
  readonly engine: Engine
  readonly meter: Meter
  readonly faults: Faults
  /** 0 takes a free port. */
  readonly port: number
}

export type Front = { readonly port: number; close(): Promise<void> }

type Deps = Omit<FrontOptions, 'port'>

function headersOf(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '')
  }
  return headers
}

/** The body, or `undefined` when it is larger than any vendor takes. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyBytesMax) return undefined
    chunks.push(chunk)
  }
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
}

/** Until more may be written, or nobody reads any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle)
      response.off('close', settle)
      resolve()
    }
    response.on('drain', settle)
    response.on('close', settle)
  })
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  const { body, headers = {} } = answer
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    const length = body === undefined ? 0 : Buffer.byteLength(body)
    response.writeHead(answer.status, { ...headers, 'content-length': length })
    response.end(body)
    return
  }
  response.writeHead(answer.status, headers)
  for await (const chunk of body) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

/** What a fault rule does to the request: an answer to send, or `cut` to drop the connection. */
async function spoil(
  rule: Rule,
  deps: Deps,
  handle: () => Promise<Answer>,
): Promise<Answer | 'cut'> {
  switch (rule.action) {
    case 'drop-request':
    case 'partition':
      return 'cut'
    case 'drop-reply':
      await handle()
      return 'cut'
    case 'delay':
      await pause(rule.delayMs)
      return handle()
    case 'reorder':
      await deps.faults.untilNext(rule)
      return handle()
    case 'duplicate': {
      const first = await handle()
      await handle()
      return first
    }
    case 'error':
      return {
        status: rule.status,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ error: 'the fault rules answered' }),
      }
    case 'crash':
      if (rule.when === 'after') await handle()
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => undefined)
  }
}

function exchangeOf(
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array,
): Exchange {
  let controller: AbortController | undefined
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    headers: headersOf(request),
    body,
    tally: newTally(),
    get signal() {
      if (controller === undefined) {
        const created = new AbortController()
        response.once('close', () => {
          if (!response.writableFinished) created.abort()
        })
        controller = created
      }
      return controller.signal
    },
  }
}

async function answerOf(exchange: Exchange, deps: Deps): Promise<Answer | 'cut'> {
  const { engine, meter, faults } = deps
  const database = engine.databaseOf(exchange)
  const requestId = exchange.headers['x-request-id']
  // From here, so that a delay put in by a fault rule counts as the caller feels it.
  const startMs = performance.now()
  const handle = async (): Promise<Answer> => {
    exchange.tally.add('roundTrips')
    const answer = await engine.handle(exchange)
    const counts = { ...exchange.tally.counts }
    meter.record(requestId, {
      path: exchange.target,
      ...(database === undefined ? {} : { database }),
      startMs: performance.timeOrigin + startMs,
      endMs: performance.timeOrigin + performance.now(),
      counts,
    })
    return answer
  }
  if (faults.idle) return handle()
  const { method, target: path, body } = exchange
  const rule = faults.take({ direction: 'request', method, path, database, requestId, body })
  return rule === undefined ? handle() : spoil(rule, deps, handle)
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  deps: Deps,
): Promise<void> {
  if (!loopbackHost.test(request.headers.host ?? '')) {
    return send(response, { status: 403, body: 'this server answers to loopback names only\n' })
  }
  const body = await bodyOf(request)
  if (body === undefined) {
    response.once('finish', () => request.destroy())
    return send(response, { status: 413, body: '{"error":"the request body is too large"}' })
  }
  const exchange = exchangeOf(request, response, body)
  const control = exchange.target.startsWith('/_local/')
    ? await controlRoutes(exchange, deps)
    : undefined
  const answer = control ?? (await answerOf(exchange, deps))
  if (answer === 'cut') {
    response.destroy()
    return undefined
  }
  return send(response, answer)
}

function failed(response: ServerResponse, engine: Engine, error: unknown): void {
  process.stderr.write(`${engine.name}: ${error instanceof Error ? error.stack : String(error)}\n`)
  if (response.headersSent) response.destroy()
  else
    void send(response, { status: 500, body: '{"error":"the local server failed; see its log"}' })
}

function listen(server: Server, name: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new PortTakenError(name, port) : error)
    })
    server.listen(port, '127.0.0.1', () => {
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/**
 * Puts an engine on a loopback port, with the meter and the fault rules in its way.
 *
 * @throws PortTakenError when the port is in use.
 */
export async function openFront(options: FrontOptions): Promise<Front> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    serve(request, response, options).catch((error: unknown) => {
      if (!request.destroyed || !response.destroyed) failed(response, options.engine, error)
    })
  })
  const port = await listen(server, options.engine.name, options.port)
  return {
    port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
