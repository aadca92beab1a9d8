import type { Outcome, Running } from './connection.ts'
import { decodeBatch, parseBody } from './decode.ts'
import { CancelledError } from './errors.ts'
import type { StatementError } from './errors.ts'
import { checkGrammar, closeStream, openStream } from './pipeline.ts'
import type { PipelineCall } from './pipeline.ts'
import { runProgram } from './program.ts'
import type { Sink } from './program.ts'
import { errorJson } from './results.ts'
import type { Store } from './store.ts'
import { encodeRow } from './values.ts'

/** Sends one piece of the answer; resolves when the reader wants more. @throws CancelledError when it has gone. */
export type Emit = (chunk: string) => Promise<void>

/** Characters gathered before a piece is sent: one row at a time would cost more than the query. */
const chunkLength = 65_536

/**
 * Answers `POST /v3/cursor` as lines of JSON, rows as they are read: no size limit and no copy of the result.
 *
 * sqld ends with a `replication_index` entry, which the specification does not know and the official client refuses;
 * it is left out here.
 * @throws ProtocolError, StreamExpiredError or StatementError before the first piece.
 */
export async function runCursor(store: Store, call: PipelineCall, emit: Emit): Promise<void> {
  const body = parseBody(call.body)
  const stream = await openStream(store, body['baton'], call.expired)
  const scope = call.scopeOf(stream)
  const steps = (() => {
    try {
      const decoded = decodeBatch(body['batch'], stream.sqls, call.version)
      checkGrammar(decoded, scope)
      return decoded
    } catch (error) {
      closeStream(store, stream)
      throw error
    }
  })()
  const baton = store.streams.release(stream)
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.cursor = promise
  const lines = new Lines(emit)
  try {
    lines.add(`{"baton":"${baton}","base_url":null}`)
    await runProgram(steps, scope, (step) => new CursorSink(lines, step))
    await lines.flush()
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error
  } finally {
    stream.cursor = undefined
    resolve()
  }
}

class Lines {
  readonly #emit: Emit
  #text = ''

  constructor(emit: Emit) {
    this.#emit = emit
  }

  add(line: string): void {
    this.#text += `${line}\n`
  }

  /** A promise only when a piece had to be sent. */
  get pressure(): Promise<void> | undefined {
    return this.#text.length < chunkLength ? undefined : this.flush()
  }

  flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    return this.#emit(text)
  }
}

class CursorSink implements Sink {
  readonly #lines: Lines
  readonly #step: number

  constructor(lines: Lines, step: number) {
    this.#lines = lines
    this.#step = step
  }

  begin(running: Running): undefined {
    this.#lines.add(
      `{"type":"step_begin","step":${this.#step},"cols":${running.prepared.columnsJson}}`,
    )
  }

  row(values: readonly unknown[]): Promise<void> | undefined {
    this.#lines.add(`{"type":"row","row":${encodeRow(values)}}`)
    return this.#lines.pressure
  }

  end(outcome: Outcome): void {
    const rowid = outcome.lastRowid === undefined ? 'null' : `"${outcome.lastRowid}"`
    this.#lines.add(
      `{"type":"step_end","affected_row_count":${outcome.affected},"last_insert_rowid":${rowid}}`,
    )
  }

  failed(error: StatementError): void {
    this.#lines.add(`{"type":"step_error","step":${this.#step},"error":${errorJson(error)}}`)
  }
}
