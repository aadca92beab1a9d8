/**
 * What one SQL statement answers when it fails: sqld's code and message, carried inside an HTTP 200.
 *
 * @see libsql-server/src/hrana/stmt.rs, `StmtError`
 */
export class StatementError extends Error {
  override readonly name = 'StatementError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * A request no correct client sends. It closes the stream and is answered with HTTP 400 and plain text.
 *
 * @see libsql-server/src/hrana/mod.rs, `ProtocolError`
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** A JSON body that is not what the protocol says. */
export function malformed(detail: string): ProtocolError {
  return new ProtocolError(`Cannot deserialize client message from JSON: ${detail}`)
}

/** The stream was idle for too long: HTTP 400 with a code, as sqld answers. */
export class StreamExpiredError extends Error {
  override readonly name = 'StreamExpiredError'
  readonly code = 'STREAM_EXPIRED'
  constructor() {
    super('The stream has expired due to inactivity')
  }
}

/** The thread was told that the caller has gone while its request waited for the write lock. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError'
}

/** The fields of an error of the `libsql` addon that matter here. */
export type EngineFailure = { readonly message: string; readonly rawCode: number }

/** Reads the addon's error; anything else is a bug and is not ours to translate. */
export function engineFailureOf(error: unknown): EngineFailure | undefined {
  if (!(error instanceof Error)) return undefined
  const { rawCode } = error as Error & { rawCode?: unknown }
  return typeof rawCode === 'number' ? { message: error.message, rawCode } : undefined
}

export const busyCode = 5

/** The names of the primary result codes, by number; sqld sends no extended codes, and SQLITE_ERROR (1) as UNKNOWN. */
const primaryNames: Readonly<Record<number, string>> = {
  2: 'SQLITE_INTERNAL',
  3: 'SQLITE_PERM',
  4: 'SQLITE_ABORT',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  9: 'SQLITE_INTERRUPT',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  12: 'SQLITE_NOTFOUND',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  17: 'SQLITE_SCHEMA',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  21: 'SQLITE_MISUSE',
  22: 'SQLITE_NOLFS',
  23: 'SQLITE_AUTH',
  25: 'SQLITE_RANGE',
  26: 'SQLITE_NOTADB',
}

/** A failure while a statement ran: `SQLite error: <text>` and the primary code only. */
export function runtimeError(failure: EngineFailure, cause: unknown): StatementError {
  const code = primaryNames[failure.rawCode & 0xff] ?? 'SQLITE_UNKNOWN'
  return new StatementError(code, `SQLite error: ${failure.message}`, { cause })
}

export const transactionTimeout = (): StatementError =>
  new StatementError('TRANSACTION_TIMEOUT', 'Transaction timed out')

export const responseTooLarge = (): StatementError =>
  new StatementError('RESPONSE_TOO_LARGE', 'Response is too large')

export const parseError = (detail: string): StatementError =>
  new StatementError('SQL_PARSE_ERROR', `SQL string could not be parsed: ${detail}`)
