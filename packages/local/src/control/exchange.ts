import type { Tally } from './meter.ts'

/** One HTTP request as it came off the socket. Nothing is decoded or normalised: QStash and Hrana care about raw bytes. */
export type Exchange = {
  readonly method: string
  /** The raw request-target, path and query, exactly as sent. */
  readonly target: string
  /** Lower-case names; a repeated header is joined with `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Aborts when the client hangs up before the answer is complete. */
  readonly signal: AbortSignal
  /** What this request costs. The front adds the round trip; the server adds statements, rows, commands, messages. */
  readonly tally: Tally
}

export type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>
}

/** One of the engines behind its HTTP front. */
export type Engine = {
  readonly name: 'libsql' | 'redis' | 'qstash' | 'psp'
  handle(exchange: Exchange): Promise<Answer> | Answer
  /** The name of the database a request is for, so that a fault can hit one database only. */
  databaseOf(exchange: Exchange): string | undefined
  /** `GET /_local/databases` and `POST /_local/databases {"name": …}`; an engine without databases leaves them out. */
  databases?: {
    list(): Promise<readonly Database[]>
    create(name: string): Promise<Database>
  }
  /** Further control routes of this engine, by path, such as `/_local/clock`. */
  readonly control?: Readonly<Record<string, (exchange: Exchange) => Promise<Answer> | Answer>>
  close(): Promise<void>
}

export type Database = { readonly name: string; readonly url: string; readonly token: string }
