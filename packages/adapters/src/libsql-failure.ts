import { LibsqlBatchError, LibsqlError } from '@libsql/client/web'
import {
  AmbiguousWriteError,
  type BatchMode,
  type Call,
  failureOfFetch,
  parseFence,
  readConstraint,
  ShardBusyError,
  ShardFencedError,
  ShardUnavailableError,
  SqlConstraintError,
} from '@stoa/kernel'

/** What is known about a batch that failed, beside the error itself. */
export type Attempt = {
  readonly shard: string
  readonly mode: BatchMode
  readonly call: Call
  /** False while the request has not been given to the network. */
  readonly sent: boolean
  /** The HTTP status, once there is one. */
  readonly status: number | undefined
}

/** Codes with which a server says: not now. The batch was rolled back, or never begun. */
const busy = /^(SQLITE_BUSY|SQLITE_LOCKED|TRANSACTION_TIMEOUT|TRANSACTION_BUSY)/
/** Codes with which a server gives up on its own account. */
const broken =
  /^(SQLITE_(IOERR|FULL|NOMEM|CORRUPT|INTERRUPT|CANTOPEN|PROTOCOL)|STREAM_|INTERNAL|SERVER_|HRANA_|UNKNOWN)/

/**
 * The Fault that `error` amounts to, or `error` itself when it is a bug (wrong SQL, a value that cannot
 * be bound). A write is called unavailable only when it certainly did not commit; else it is ambiguous.
 */
export function faultOf(error: unknown, attempt: Attempt): unknown {
  if (!attempt.sent) return error
  const { shard } = attempt
  const cause = { cause: error }
  const fence = error instanceof Error ? parseFence(error.message) : undefined
  if (fence) return new ShardFencedError(shard, fence, cause)
  if (!(error instanceof LibsqlError)) return lost(error, attempt)
  const statement = error instanceof LibsqlBatchError ? error.statementIndex : undefined
  if (error.code.startsWith('SQLITE_CONSTRAINT')) {
    return new SqlConstraintError(shard, { ...readConstraint(error.message), statement }, cause)
  }
  if (busy.test(error.code) || attempt.status === 429) return new ShardBusyError(shard, cause)
  const refusal = refusalOf(error.code, attempt.status)
  if (refusal) return new ShardUnavailableError(shard, refusal, cause)
  if ((attempt.status ?? 0) >= 500) return lost(error, attempt)
  if (!broken.test(error.code) || (attempt.status ?? 200) >= 400) return error
  // A statement that failed was not followed by a COMMIT; a failure without a statement may be the COMMIT's.
  return statement === undefined
    ? lost(error, attempt)
    : new ShardUnavailableError(shard, 'server', cause)
}

function refusalOf(code: string, status: number | undefined) {
  if (status === 401 || status === 403 || code.startsWith('AUTH_')) return 'unauthorized'
  if (status === 404) return 'unknown_database'
  if (code.includes('BLOCKED')) return 'blocked'
  return undefined
}

/** The answer is missing: a write may have committed, unless the request provably never left. */
function lost(error: unknown, { shard, mode, call, status }: Attempt): unknown {
  const reason = status === undefined ? 'network' : 'server'
  if (status === undefined && failureOfFetch(error) === 'not_sent') {
    return new ShardUnavailableError(shard, reason, { cause: error })
  }
  if (mode === 'write') return new AmbiguousWriteError(shard, { cause: error })
  if (call.signal.aborted) return call.signal.reason
  return new ShardUnavailableError(shard, reason, { cause: error })
}
