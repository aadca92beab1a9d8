import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client } from '@upstash/qstash'

import type { Engine, Exchange } from '../../src/control/exchange.ts'
import { unitNames } from '../../src/control/meter.ts'
import type { Tally, Unit } from '../../src/control/meter.ts'
import { createQstash, devToken } from '../../src/qstash/index.ts'
import type { QstashOptions } from '../../src/qstash/index.ts'

/** One request a destination received. */
export type Received = {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** Engine time of arrival, unix ms. */
  readonly at: number
}

export type Responder = (
  received: Received,
) =>
  | { status: number; headers?: Record<string, string>; body?: string | Buffer }
  | Promise<{ status: number; headers?: Record<string, string>; body?: string | Buffer }>

export type LabOptions = Partial<QstashOptions> & {
  /** Where the engine's time stands, unless `now` is given. It moves only by {@link Lab.advance}. */
  readonly start?: number
}

export type RawReply = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/**
 * An engine behind a real HTTP server, a destination that records what it gets, and the official client.
 * Engine time stands still until {@link Lab.advance} moves it, so no test waits.
 */
export class Lab {
  readonly received: Received[] = []
  readonly messages = { counted: 0 }
  respond: Responder = () => ({ status: 200 })
  readonly client: Client
  readonly url: string
  readonly hook: string
  #engine: Engine
  readonly #options: QstashOptions
  readonly #api: Server
  readonly #destination: Server

  constructor(parts: { engine: Engine; api: Server; destination: Server }, options: QstashOptions) {
    this.#engine = parts.engine
    this.#options = options
    this.#api = parts.api
    this.#destination = parts.destination
    this.url = originOf(parts.api)
    this.hook = originOf(parts.destination)
    this.client = new Client({ baseUrl: this.url, token: devToken, retry: false })
  }

  /** Serves an API request; public because the server is made before the lab. */
  async serve(exchange: Exchange) {
    const path = exchange.target.split('?')[0] ?? ''
    const control = this.#engine.control?.[path]
    const answer = await (control ?? ((one) => this.#engine.handle(one)))(exchange)
    this.messages.counted += exchange.tally.counts.messages
    return answer
  }

  async receive(received: Omit<Received, 'at'>) {
    const full = { ...received, at: await this.now() }
    this.received.push(full)
    return this.respond(full)
  }

  /** Moves engine time and waits for every delivery due on the way; `0` waits for what is due now. */
  async advance(by: string | number): Promise<void> {
    const reply = await this.raw('POST', '/_local/clock', { body: JSON.stringify({ advance: by }) })
    if (reply.status !== 200) throw new Error(reply.text)
  }

  async clock(): Promise<{ now: number; nextWakeAt: number | null }> {
    return JSON.parse((await this.raw('GET', '/_local/clock')).text) as {
      now: number
      nextWakeAt: number | null
    }
  }

  async now(): Promise<number> {
    const answer = await this.#engine.control?.['/_local/clock']?.(
      exchangeOf('GET', '/_local/clock'),
    )
    if (typeof answer?.body !== 'string') throw new Error('the clock does not answer')
    return (JSON.parse(answer.body) as { now: number }).now
  }

  /** A request with the token whose target goes out byte for byte. */
  raw(
    method: string,
    target: string,
    options: {
      headers?: Record<string, string>
      body?: string | Buffer
      token?: string | null
    } = {},
  ): Promise<RawReply> {
    const { token = devToken, body } = options
    const headers: Record<string, string | number> = { ...options.headers }
    if (token !== null) headers['authorization'] = `Bearer ${token}`
    if (body !== undefined) headers['content-length'] = Buffer.byteLength(body)
    const { hostname, port } = new URL(this.url)
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({ hostname, port, method, path: target, headers }, (reply) => {
        void readAll(reply).then((bytes) =>
          resolve({
            status: reply.statusCode ?? 0,
            headers: flat(reply.headers),
            text: bytes.toString(),
          }),
        )
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  /** The same as {@link raw}, with the JSON read. */
  async call(
    method: string,
    target: string,
    options: { headers?: Record<string, string>; body?: string | Buffer } = {},
  ): Promise<{ status: number; json: Record<string, unknown> & readonly unknown[] }> {
    const { status, text } = await this.raw(method, target, options)
    return { status, json: JSON.parse(text) as Record<string, unknown> & unknown[] }
  }

  /** Every log state of a message, oldest first. */
  async states(messageId: string): Promise<readonly string[]> {
    const { logs } = await this.client.logs({ filter: { messageId } })
    return logs.map((log) => log.state).toReversed()
  }

  /** Closes the engine and opens it again on the same data. */
  async reopen(): Promise<void> {
    await this.#engine.close()
    this.#engine = await createQstash(this.#options)
  }

  async close(): Promise<void> {
    await this.#engine.close()
    for (const server of [this.#api, this.#destination]) {
      server.close()
      server.closeAllConnections()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export async function openLab({ start = Date.now(), ...options }: LabOptions = {}): Promise<Lab> {
  const full: QstashOptions = {
    dataDir: undefined,
    random: seeded(1),
    now: () => start,
    ...options,
  }
  const engine = await createQstash(full)
  const holder: { lab?: Lab } = {}
  const api = await serveApi((exchange) => lab().serve(exchange))
  const destination = await listen((incoming, body) =>
    lab().receive({
      method: incoming.method ?? '',
      target: incoming.url ?? '',
      headers: flat(incoming.headers),
      rawHeaders: incoming.rawHeaders,
      body,
    }),
  )
  holder.lab = new Lab({ engine, api, destination }, full)
  return lab()

  function lab(): Lab {
    if (holder.lab === undefined) throw new Error('a request came before the lab was ready')
    return holder.lab
  }
}

type Plain = { status: number; headers?: Record<string, string>; body?: string | Uint8Array }

/** An engine's HTTP front, the least that can be: raw target, joined headers, whole body. */
export function serveApi(
  handle: (exchange: Exchange) => Promise<{ status: number; headers?: unknown; body?: unknown }>,
): Promise<Server> {
  return listen(async (incoming, body) => {
    const { method = '', url = '' } = incoming
    const exchange = { ...exchangeOf(method, url), headers: flat(incoming.headers), body }
    // The QStash engine never streams an answer.
    return (await handle(exchange)) as Plain
  })
}

/** A server on a free loopback port. */
export async function listen(
  handle: (incoming: IncomingMessage, body: Buffer) => Promise<Plain>,
): Promise<Server> {
  const server = createServer((incoming, reply) => {
    void readAll(incoming)
      .then((body) => handle(incoming, body))
      .then(
        (answer) => reply.writeHead(answer.status, answer.headers).end(answer.body),
        (error: unknown) => reply.writeHead(500).end(String(error)),
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

export function originOf(server: Server): string {
  // A server that listens on TCP has an object as its address.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function exchangeOf(method: string, target: string): Exchange {
  return {
    method,
    target,
    headers: {},
    body: new Uint8Array(),
    signal: new AbortController().signal,
    tally: newTally(),
  }
}

function newTally(): Tally {
  const counts = Object.fromEntries(unitNames.map((name) => [name, 0])) as Record<Unit, number>
  return {
    counts,
    add: (unit, n = 1) => {
      counts[unit] += n
    },
  }
}

function flat(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return result
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A folder that is gone when the test is over. */
export function tempFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'stoa-qstash-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** The same numbers in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
