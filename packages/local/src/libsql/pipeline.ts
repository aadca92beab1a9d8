import type { ProtocolVersion } from './decode.ts'
import {
  decodeBatch,
  decodeSequence,
  decodeStmt,
  fieldsOf,
  listOf,
  parseBody,
  sqlIdOf,
  sqlOf,
} from './decode.ts'
import type { Fields } from './decode.ts'
import { malformed, ProtocolError, StatementError } from './errors.ts'
import { isGrammarError } from './prepare-error.ts'
import { runProgram, runQuery } from './program.ts'
import type { Query, Scope, Step } from './program.ts'
import { Budget, errorJson, JsonSink } from './results.ts'
import { singleStatement } from './statement.ts'
import type { Store } from './store.ts'
import { newStream } from './stream.ts'
import type { Stream } from './stream.ts'
import { takeTimeout } from './write-lock.ts'

/** Texts a stream may store, and the longest of them: sqld's bounds. */
const maxStoredSql = 50
const maxStoredSqlBytes = 5000

export type PipelineCall = {
  readonly body: string
  readonly version: ProtocolVersion
  readonly expired: readonly string[]
  readonly scopeOf: (stream: Stream) => Scope
}

type Turn = { readonly version: ProtocolVersion; readonly scope: Scope; readonly budget: Budget }

/**
 * Answers `POST /v2/pipeline` and `/v3/pipeline`: every request is run, also after one that failed.
 *
 * @throws ProtocolError or StreamExpiredError; the stream is then closed and its transaction rolled back.
 */
export async function runPipeline(store: Store, call: PipelineCall): Promise<string> {
  const body = parseBody(call.body)
  if (body['requests'] === undefined) throw malformed('missing field `requests`')
  const requests = listOf(body['requests'], 'a sequence')
  const stream = await openStream(store, body['baton'], call.expired)
  const turn = { version: call.version, scope: call.scopeOf(stream), budget: new Budget() }
  try {
    let results = ''
    for (const request of requests)
      results += (results === '' ? '' : ',') + (await answer(store, stream, { request, turn }))
    const baton = stream.isClosed ? 'null' : `"${store.streams.release(stream)}"`
    return `{"baton":${baton},"base_url":null,"results":[${results}]}`
  } catch (error) {
    closeStream(store, stream)
    throw error
  }
}

/** The stream a baton stands for, or a new one; waits for a cursor that still reads from it. */
export async function openStream(
  store: Store,
  baton: unknown,
  expired: readonly string[],
): Promise<Stream> {
  if (baton === undefined || baton === null) return newStream(store.connection())
  if (typeof baton !== 'string') throw malformed('invalid type: expected a string')
  const stream = store.streams.acquire(baton, expired)
  if (stream.cursor !== undefined) await stream.cursor
  return stream
}

export function closeStream(store: Store, stream: Stream): void {
  store.streams.forget(stream)
  store.giveBack(stream)
}

async function answer(
  store: Store,
  stream: Stream,
  { request, turn }: { request: unknown; turn: Turn },
): Promise<string> {
  try {
    const response = await respond(store, stream, { request, turn })
    return `{"type":"ok","response":${response}}`
  } catch (error) {
    if (error instanceof StatementError) return `{"type":"error","error":${errorJson(error)}}`
    throw error
  }
}

async function respond(
  store: Store,
  stream: Stream,
  { request, turn }: { request: unknown; turn: Turn },
): Promise<string> {
  const fields = fieldsOf(request, 'enum StreamRequest')
  switch (fields['type']) {
    case 'close':
      closeStream(store, stream)
      return '{"type":"close"}'
    case 'execute': {
      const query = decodeStmt(fields['stmt'], openSqls(stream))
      return `{"type":"execute","result":${await execute(query, turn)}}`
    }
    case 'batch': {
      const steps = decodeBatch(fields['batch'], openSqls(stream), turn.version)
      return `{"type":"batch","result":${await executeBatch(steps, turn)}}`
    }
    case 'sequence':
      await executeSequence(decodeSequence(sqlOf(fields, openSqls(stream))), turn.scope)
      return '{"type":"sequence"}'
    case 'describe':
      return `{"type":"describe","result":${describe(sqlOf(fields, openSqls(stream)), turn.scope)}}`
    case 'store_sql':
      storeSql(stream, fields)
      return '{"type":"store_sql"}'
    case 'close_sql':
      stream.sqls.delete(sqlIdOf(fields['sql_id']))
      return '{"type":"close_sql"}'
    case 'get_autocommit':
      return getAutocommit(stream, turn)
    default:
      throw malformed('unknown variant, expected a StreamRequest')
  }
}

/** The stored texts of a stream that is still open. @throws ProtocolError after `close`. */
function openSqls(stream: Stream): ReadonlyMap<number, string> {
  if (stream.isClosed) throw new ProtocolError('Stream for this baton was closed')
  return stream.sqls
}

/** The `StmtResult` of one query. */
export async function execute(query: Query, turn: Pick<Turn, 'scope' | 'budget'>): Promise<string> {
  const timeout = takeTimeout(turn.scope.connection)
  if (timeout !== undefined) throw timeout
  const sink = new JsonSink(turn.budget)
  await runQuery(query, turn.scope, sink)
  return sink.json
}

/** The `BatchResult` of a program. */
export async function executeBatch(
  steps: readonly Step[],
  turn: Pick<Turn, 'scope' | 'budget'>,
): Promise<string> {
  checkGrammar(steps, turn.scope)
  const sinks = new Map<number, JsonSink>()
  const ends = await runProgram(steps, turn.scope, (i) => {
    const sink = new JsonSink(turn.budget)
    sinks.set(i, sink)
    return sink
  })
  const results = ends.map((end, i) => (end === 'ok' ? (sinks.get(i)?.json ?? 'null') : 'null'))
  const errors = ends.map((end) => (end instanceof StatementError ? errorJson(end) : 'null'))
  return `{"step_results":[${results.join()}],"step_errors":[${errors.join()}],"replication_index":null}`
}

/** sqld parses a whole batch before it runs any of it. @throws StatementError for the first step that is no SQL. */
export function checkGrammar(steps: readonly Step[], scope: Scope): void {
  for (const { query } of steps) {
    if (query.statement.isPragma) continue
    try {
      scope.connection.prepare(query.statement)
    } catch (error) {
      if (isGrammarError(error)) throw error
    }
  }
}

async function executeSequence(queries: readonly Query[], scope: Scope): Promise<void> {
  const timeout = takeTimeout(scope.connection)
  if (timeout !== undefined) throw timeout
  checkGrammar(
    queries.map((query) => ({ query, condition: undefined })),
    scope,
  )
  for (const query of queries) await runQuery(query, scope, silent)
}

const silent = { begin: () => undefined, row: () => undefined, end: () => undefined }

function describe(sql: string, scope: Scope): string {
  const statement = singleStatement(sql)
  const { columnsJson } = scope.connection.prepare(statement)
  const params = statement.parameters.map((name) => ({ name: name ?? null }))
  const isReadonly =
    statement.kind !== 'write' && statement.kind !== 'ddl' && !statement.takesWriteLock
  return `{"params":${JSON.stringify(params)},"cols":${columnsJson},"is_explain":${statement.isExplain},"is_readonly":${isReadonly}}`
}

function storeSql(stream: Stream, fields: Fields): void {
  const id = sqlIdOf(fields['sql_id'])
  const { sql } = fields
  if (typeof sql !== 'string') throw malformed('missing field `sql`')
  if (stream.sqls.has(id)) throw new ProtocolError(`SQL text ${id} already exists`)
  if (stream.sqls.size >= maxStoredSql) {
    throw new StatementError(
      'SQL_STORE_TOO_MANY',
      `The server already stores ${stream.sqls.size} SQL texts, it cannot store more`,
    )
  }
  const bytes = Buffer.byteLength(sql)
  if (bytes > maxStoredSqlBytes) {
    throw new StatementError(
      'SQL_STORE_TOO_LARGE',
      `The statement is too large to be stored: ${bytes} B/5.0 KB`,
    )
  }
  stream.sqls.set(id, sql)
}

function getAutocommit(stream: Stream, turn: Turn): string {
  if (turn.version < 3) {
    throw new ProtocolError(
      'The `get_autocommit` request is only supported in protocol version hrana3 and higher',
    )
  }
  openSqls(stream)
  return `{"type":"get_autocommit","is_autocommit":${!stream.connection.inTransaction}}`
}
