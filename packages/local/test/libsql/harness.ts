import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Engine, Exchange } from '../../src/control/exchange.ts'
import { newTally } from '../../src/control/meter.ts'
import { createLibsql } from '../../src/libsql/index.ts'
import type { LibsqlOptions } from '../../src/libsql/index.ts'

/** A libSQL server on a free loopback port, its files in a folder of its own. */
export type Harness = {
  readonly origin: string
  readonly dataDir: string
  readonly engine: Engine
  /** What every answered request cost, in order. */
  readonly tallies: Exchange['tally'][]
  close(): Promise<void>
}

type HarnessOptions = Partial<Omit<LibsqlOptions, 'origin'>>

export async function openHarness(options: HarnessOptions = {}): Promise<Harness> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'stoa-libsql-')))
  let origin = ''
  const engine = await createLibsql({ ...options, dataDir, origin: () => origin })
  const tallies: Exchange['tally'][] = []
  const server = createServer((request, response) => {
    serve(engine, { request, response, tallies }).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
    await engine.close()
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
  }
  return { origin, dataDir, engine, tallies, close }
}

async function serve(
  engine: Engine,
  at: {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly tallies: Exchange['tally'][]
  },
): Promise<void> {
  const { request, response, tallies } = at
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  const tally = newTally()
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '')
  const answer = await engine.handle({
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    headers,
    body: Buffer.concat(chunks),
    signal: gone.signal,
    tally,
  })
  tallies.push(tally)
  response.writeHead(answer.status, answer.headers)
  const { body } = answer
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body)
    return
  }
  for await (const chunk of body) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle)
      response.off('close', settle)
      resolve()
    }
    response.on('drain', settle)
    response.on('close', settle)
  })
}

export type Reply = { readonly status: number; readonly type: string; readonly text: string }

/** One raw request; the body is JSON unless it is a string already. */
export async function send(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const type = response.headers.get('content-type') ?? ''
  return { status: response.status, type, text: await response.text() }
}

export type PipelineAnswer = {
  readonly baton: string | null
  readonly base_url: string | null
  readonly results: readonly Result[]
}

export type Result = {
  readonly type: string
  readonly response?: { readonly type: string; readonly result?: StmtResult & BatchResult }
  readonly error?: WireError
}

export type WireError = { readonly message: string; readonly code: string }

type StmtResult = {
  readonly cols: readonly { readonly name: string; readonly decltype: string | null }[]
  readonly rows: readonly (readonly unknown[])[]
  readonly affected_row_count: number
  readonly last_insert_rowid: string | null
  readonly replication_index: string | null
  readonly rows_read: number
  readonly rows_written: number
  readonly query_duration_ms: number
}

type BatchResult = {
  readonly step_results: readonly (StmtResult | null)[]
  readonly step_errors: readonly (WireError | null)[]
}

/** Sends Hrana requests down one pipeline. */
export async function pipeline(
  base: string,
  requests: readonly unknown[],
  baton: string | null = null,
): Promise<PipelineAnswer> {
  const { status, text } = await send(`${base}/v2/pipeline`, { baton, requests })
  if (status !== 200) throw new Error(`HTTP ${status}: ${text}`)
  return JSON.parse(text) as PipelineAnswer
}

export const close = { type: 'close' }

export function execute(sql: string, args: readonly unknown[] = []): unknown {
  return { type: 'execute', stmt: { sql, args, want_rows: true } }
}

/** A request to the loopback address under another host name, which no resolver has to know. */
export function sendToHost(
  origin: string,
  at: {
    readonly host: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: unknown
  },
): Promise<Reply> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        hostname,
        port,
        path: at.path,
        method: 'POST',
        headers: { ...at.headers, host: `${at.host}:${port}` },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('end', () => {
          const type = response.headers['content-type'] ?? ''
          resolve({ status: response.statusCode ?? 0, type, text })
        })
      },
    )
    request.on('error', reject)
    request.end(JSON.stringify(at.body))
  })
}
