import type { Running } from './connection.ts'
import { bind, decodeBatch, decodeStmt, fieldsOf, listOf, parseBody } from './decode.ts'
import { malformed, StatementError } from './errors.ts'
import { execute, executeBatch } from './pipeline.ts'
import { runProgram } from './program.ts'
import type { Query, Scope, Sink, Step } from './program.ts'
import { Budget, errorJson } from './results.ts'
import { statementsOf } from './statement.ts'
import { encodeBlob, encodeFloat, isRecord } from './values.ts'
import type { SqlValue } from './values.ts'

export type LegacyAnswer = { readonly status: number; readonly body: string }

const noSql: ReadonlyMap<number, string> = new Map()

/** `POST /v1/execute`: Hrana 1 over HTTP, one statement. */
export function executeV1(body: string, scope: Scope): Promise<LegacyAnswer> {
  return answered(async () => {
    const query = decodeStmt(parseBody(body)['stmt'], noSql)
    return `{"result":${await execute(query, { scope, budget: new Budget() })}}`
  })
}

/** `POST /v1/batch`: Hrana 1 over HTTP, one batch. */
export function batchV1(body: string, scope: Scope): Promise<LegacyAnswer> {
  return answered(async () => {
    const steps = decodeBatch(parseBody(body)['batch'], noSql, 1)
    return `{"result":${await executeBatch(steps, { scope, budget: new Budget() })}}`
  })
}

async function answered(run: () => Promise<string>): Promise<LegacyAnswer> {
  try {
    return { status: 200, body: await run() }
  } catch (error) {
    if (!(error instanceof StatementError)) throw error
    return { status: statusOf(error.code), body: errorJson(error) }
  }
}

function statusOf(code: string): number {
  if (code === 'ARGS_BOTH_POSITIONAL_AND_NAMED') return 501
  if (code.startsWith('TRANSACTION_')) return 503
  return code.startsWith('SQLITE_') ? 500 : 400
}

/**
 * `POST /` with `{"statements": […]}`, sqld's first protocol: all statements in one transaction.
 *
 * The texts are sqld's. A failed statement rolls the others back; each still answers with what happened to it.
 */
export async function runStatements(body: string, scope: Scope): Promise<LegacyAnswer> {
  const given = parseBody(body)['statements']
  if (given === undefined) throw malformed('missing field `statements`')
  try {
    const queries = listOf(given, 'a sequence').map(decodeLegacy)
    return { status: 200, body: await runTogether(queries, scope) }
  } catch (error) {
    if (!(error instanceof StatementError)) throw error
    return { status: 400, body: JSON.stringify({ error: error.message }) }
  }
}

async function runTogether(queries: readonly Query[], scope: Scope): Promise<string> {
  const steps: Step[] = [{ query: plain('BEGIN'), condition: undefined }]
  for (const query of queries)
    steps.push({ query, condition: { type: 'ok', step: steps.length - 1 } })
  const last = steps.length - 1
  steps.push({ query: plain('COMMIT'), condition: { type: 'ok', step: last } })
  steps.push({
    query: plain('ROLLBACK'),
    condition: { type: 'not', condition: { type: 'ok', step: last + 1 } },
  })
  const budget = new Budget()
  const sinks = steps.map(() => new LegacySink(budget))
  const silent = new LegacySink(budget)
  await runProgram(steps, scope, (i) => sinks[i] ?? silent)
  return `[${sinks
    .slice(1, last + 1)
    .map((sink) => sink.json)
    .join()}]`
}

function plain(sql: string): Query {
  const [statement] = statementsOf(sql)
  if (statement === undefined) throw new TypeError(`not a statement: ${sql}`)
  return { statement, args: [], wantsRows: true }
}

function decodeLegacy(value: unknown): Query {
  const { q, params = [] } =
    typeof value === 'string' ? { q: value } : fieldsOf(value, 'a string or an object')
  if (typeof q !== 'string') throw malformed('missing field `q`')
  const [statement, second] = statementsOf(q)
  if (statement === undefined || second !== undefined) {
    throw new StatementError(
      'FAILED_TO_PARSE',
      'Failed to parse query: `found more than one command in a single statement string. It is allowed to issue only one command per string.`',
    )
  }
  if (statement.kind !== 'read' && statement.kind !== 'write' && statement.kind !== 'ddl') {
    throw new StatementError(
      'QUERY_ERROR',
      'Query error: `interactive transaction not allowed in HTTP queries`',
    )
  }
  const isList = Array.isArray(params)
  const positional = isList ? params.map(decodePlain) : []
  const named = isList
    ? new Map<string, SqlValue>()
    : new Map(Object.entries(fieldsOf(params, 'a map')).map(([k, v]) => [k, decodePlain(v)]))
  return { statement, args: bind(statement, positional, named), wantsRows: true }
}

/** A JSON value as this protocol writes it: integral numbers are integers, whatever their spelling. */
function decodePlain(value: unknown): SqlValue {
  if (value === null || typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (isRecord(value) && typeof value['base64'] === 'string')
    return Buffer.from(value['base64'], 'base64')
  throw malformed('invalid type: expected a valid SQLite value')
}

class LegacySink implements Sink {
  readonly #budget: Budget
  #columns = '[]'
  #rows = ''
  #json = 'null'

  constructor(budget: Budget) {
    this.#budget = budget
  }

  begin(running: Running): undefined {
    this.#columns = JSON.stringify(running.prepared.columns.map((column) => column.name))
  }

  row(values: readonly unknown[]): undefined {
    this.#rows += `${this.#rows === '' ? '' : ','}[${values.map(encodePlain).join()}]`
    this.#budget.check(this.#rows.length)
  }

  end(): void {
    this.#budget.spend(this.#rows.length)
    this.#json = `{"results":{"columns":${this.#columns},"rows":[${this.#rows}]}}`
  }

  failed(error: StatementError): void {
    this.#json = JSON.stringify({ error: error.message.replace(/^SQLite error: /, '') })
  }

  get json(): string {
    return this.#json
  }
}

function encodePlain(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return encodeFloat(value)
  if (typeof value === 'string') return JSON.stringify(value)
  return value instanceof Uint8Array ? `{"base64":"${encodeBlob(value)}"}` : 'null'
}
