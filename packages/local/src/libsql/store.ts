import { join } from 'node:path'

import { Connection } from './connection.ts'
import type { SchemaClock } from './connection.ts'
import { Streams } from './stream.ts'
import type { Stream } from './stream.ts'
import { WriteLock } from './write-lock.ts'

export type StoreOptions = {
  readonly dataDir: string
  readonly name: string
  readonly batonKey: Uint8Array
  readonly streamTtlMs: number
  readonly lockTimeoutMs: number
  /** A stream of this database has expired; its id. */
  readonly expired: (streamId: string) => void
}

/** Idle connections kept for each database, with their prepared statements. */
const maxIdle = 4

/** One database as one thread sees it: its connections, its streams and its write lock. */
export class Store {
  readonly lock: WriteLock
  readonly streams: Streams
  readonly schema: SchemaClock = { version: 0 }
  readonly #path: string
  readonly #idle: Connection[] = []
  /** Requests being worked on. */
  active = 0

  constructor(options: StoreOptions) {
    this.#path = join(options.dataDir, `${options.name}.db`)
    this.lock = new WriteLock(options.lockTimeoutMs)
    this.streams = new Streams({
      batonKey: options.batonKey,
      ttlMs: options.streamTtlMs,
      expired: (stream) => {
        this.giveBack(stream)
        options.expired(stream.id)
      },
    })
  }

  /** Whether nothing would be lost by closing it. */
  get isIdle(): boolean {
    return this.active === 0 && this.streams.size === 0
  }

  connection(): Connection {
    return this.#idle.pop() ?? new Connection(this.#path, this.schema)
  }

  /** Ends a stream: what it left open is rolled back, and its connection serves the next one. */
  giveBack(stream: Stream): void {
    if (stream.isClosed) return
    stream.isClosed = true
    const { connection } = stream
    this.#reset(connection)
    this.lock.release(connection)
  }

  #reset(connection: Connection): void {
    try {
      connection.reset()
      if (connection.changedSchema) this.schema.version += 1
      connection.changedSchema = false
      if (this.#idle.length < maxIdle) this.#idle.push(connection)
      else connection.close()
    } catch {
      // A connection that cannot be reset is broken, and must not meet another stream.
      connection.close()
    }
  }

  close(): void {
    for (const connection of this.#idle) connection.close()
    this.#idle.length = 0
  }
}
