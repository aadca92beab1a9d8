import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

import type { Connection } from './connection.ts'
import { ProtocolError, StreamExpiredError } from './errors.ts'

/** A client's conversation with one database: a connection, its stored texts, and the number of its next baton. */
export type Stream = {
  /** Empty until the stream has to be found again: most are closed in their first request. */
  id: string
  readonly connection: Connection
  readonly sqls: Map<number, string>
  sequence: bigint
  isClosed: boolean
  /** Settles when the cursor that still reads from this stream has ended. */
  cursor: Promise<void> | undefined
}

type Handle = { readonly stream: Stream; isAcquired: boolean; timer: NodeJS.Timeout | undefined }

export type StreamsOptions = {
  /** Seals batons; random for each process, so that none survives a restart. */
  readonly batonKey: Uint8Array
  /** Idle time after which a stream is closed, in milliseconds. */
  readonly ttlMs: number
  /** The stream's time is up: its connection is free again. */
  readonly expired: (stream: Stream) => void
}

/**
 * The open streams of one database, each reachable once by the baton of its last answer.
 *
 * @see libsql-server/src/hrana/http/stream.rs
 */
export class Streams {
  readonly #options: StreamsOptions
  readonly #handles = new Map<string, Handle>()

  constructor(options: StreamsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#handles.size
  }

  /**
   * Takes the stream of `baton` out for one request.
   *
   * @param expired Ids of streams known to have expired, so that the answer can say so.
   * @throws ProtocolError for a baton that is forged, unknown or used; StreamExpiredError.
   */
  acquire(baton: string, expired: readonly string[]): Stream {
    const { id, sequence } = openBaton(baton, this.#options.batonKey)
    const handle = this.#handles.get(id)
    if (handle === undefined) {
      if (expired.includes(id)) throw new StreamExpiredError()
      throw new ProtocolError('Received an invalid baton')
    }
    if (handle.isAcquired || handle.stream.sequence !== sequence)
      throw new ProtocolError('Received a baton that has already been used')
    clearTimeout(handle.timer)
    handle.isAcquired = true
    handle.stream.sequence = BigInt.asUintN(64, handle.stream.sequence + 1n)
    return handle.stream
  }

  /** Puts a stream back and gives the baton for its next request. */
  release(stream: Stream): string {
    identify(stream)
    const handle = this.#handles.get(stream.id) ?? { stream, isAcquired: false, timer: undefined }
    handle.isAcquired = false
    handle.timer = setTimeout(() => this.#expire(handle), this.#options.ttlMs)
    this.#handles.set(stream.id, handle)
    return sealBaton(stream, this.#options.batonKey)
  }

  forget(stream: Stream): void {
    clearTimeout(this.#handles.get(stream.id)?.timer)
    this.#handles.delete(stream.id)
  }

  /** A stream that a cursor still reads from is not idle. */
  #expire(handle: Handle): void {
    if (handle.isAcquired) return
    if (handle.stream.cursor !== undefined) {
      handle.timer = setTimeout(() => this.#expire(handle), this.#options.ttlMs)
      return
    }
    this.#handles.delete(handle.stream.id)
    this.#options.expired(handle.stream)
  }
}

/** A stream that nobody can reach yet. */
export function newStream(connection: Connection): Stream {
  return {
    id: '',
    connection,
    sqls: new Map(),
    sequence: 0n,
    isClosed: false,
    cursor: undefined,
  }
}

/** Gives a new stream its identity. The first number is random too, so that batons never repeat. */
function identify(stream: Stream): void {
  if (stream.id !== '') return
  const random = randomBytes(16)
  stream.id = random.toString('hex', 0, 8)
  stream.sequence = random.readBigUInt64BE(8)
}

const payloadBytes = 16
const sealBytes = 32

function sealBaton(stream: Stream, key: Uint8Array): string {
  const payload = Buffer.alloc(payloadBytes)
  payload.write(stream.id, 0, 'hex')
  payload.writeBigUInt64BE(stream.sequence, 8)
  return Buffer.concat([payload, sealOf(payload, key)]).toString('base64')
}

function openBaton(baton: string, key: Uint8Array): { id: string; sequence: bigint } {
  const bytes = Buffer.from(baton, 'base64')
  if (bytes.length !== payloadBytes + sealBytes)
    throw new ProtocolError('Received an invalid baton')
  const payload = bytes.subarray(0, payloadBytes)
  if (!timingSafeEqual(bytes.subarray(payloadBytes), sealOf(payload, key)))
    throw new ProtocolError('Received an invalid baton')
  return { id: payload.toString('hex', 0, 8), sequence: payload.readBigUInt64BE(8) }
}

function sealOf(payload: Uint8Array, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(payload).digest()
}
