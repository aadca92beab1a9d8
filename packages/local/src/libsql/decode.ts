import { malformed, ProtocolError, StatementError } from './errors.ts'
import type { Condition, Query, Step } from './program.ts'
import { singleStatement, statementsOf } from './statement.ts'
import type { Statement } from './statement.ts'
import { decodeValue, isRecord } from './values.ts'
import type { SqlValue } from './values.ts'

export type Fields = Readonly<Record<string, unknown>>
export type ProtocolVersion = 1 | 2 | 3

/** SQL texts a stream has stored, by the client's number. */
export type StoredSql = ReadonlyMap<number, string>

/** @throws ProtocolError when `value` is not a JSON object. */
export function fieldsOf(value: unknown, what: string): Fields {
  if (!isRecord(value)) throw malformed(`invalid type: expected ${what}`)
  return value
}

/** @throws ProtocolError when `value` is given and not a list. */
export function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw malformed(`invalid type: expected ${what}`)
  return value
}

/** The SQL text that `sql` or `sql_id` name. @throws ProtocolError unless exactly one of them does. */
export function sqlOf(fields: Fields, stored: StoredSql): string {
  const sql = fields['sql'] ?? undefined
  const id = fields['sql_id'] ?? undefined
  if (sql !== undefined && id !== undefined)
    throw new ProtocolError('Either `sql` or `sql_id` are required, but not both')
  if (sql !== undefined) {
    if (typeof sql !== 'string') throw malformed('invalid type: expected a string')
    return sql
  }
  if (id === undefined) throw new ProtocolError('Either `sql` or `sql_id` are required')
  const number = sqlIdOf(id)
  const text = stored.get(number)
  if (text === undefined) throw new ProtocolError(`SQL text ${number} not found`)
  return text
}

/** @throws ProtocolError when `id` is no 32-bit integer. */
export function sqlIdOf(id: unknown): number {
  if (typeof id !== 'number' || (id | 0) !== id) throw malformed('invalid type: expected i32')
  return id
}

/** A Hrana `Stmt`. @throws ProtocolError or StatementError. */
export function decodeStmt(value: unknown, stored: StoredSql): Query {
  const stmt = fieldsOf(value, 'struct Stmt')
  const statement = singleStatement(sqlOf(stmt, stored))
  const positional = listOf(stmt['args'], 'a sequence').map(decodeValue)
  const named = new Map(listOf(stmt['named_args'], 'a sequence').map(decodeNamed))
  if (positional.length > 0 && named.size > 0) {
    throw new StatementError(
      'ARGS_BOTH_POSITIONAL_AND_NAMED',
      'Specifying both positional and named arguments is not supported',
    )
  }
  const args = bind(statement, positional, named)
  return { statement, args, wantsRows: stmt['want_rows'] !== false }
}

function decodeNamed(value: unknown): readonly [string, SqlValue] {
  const { name, value: given } = fieldsOf(value, 'struct NamedArg')
  if (typeof name !== 'string') throw malformed('missing field `name`')
  return [name, decodeValue(given)]
}

/**
 * A value for every parameter, in order. A name counts with or without its prefix.
 *
 * @throws StatementError ARGS_INVALID when one has no value, or a value no parameter.
 */
export function bind(
  statement: Statement,
  positional: readonly SqlValue[],
  named: ReadonlyMap<string, SqlValue>,
): readonly SqlValue[] {
  const { parameters } = statement
  const given = positional.length + named.size
  if (given > parameters.length)
    throw argsInvalid(`too many parameters, expected ${parameters.length} found ${given}`)
  if (parameters.length === 0) return positional
  return parameters.map((name, i) => {
    const value = argumentOf(name, i, { positional, named })
    if (value !== undefined) return value
    if (statement.isExplain) return null
    throw argsInvalid(`value for parameter ${name ?? i + 1} not found`)
  })
}

function argumentOf(
  name: string | undefined,
  index: number,
  given: { positional: readonly SqlValue[]; named: ReadonlyMap<string, SqlValue> },
): SqlValue | undefined {
  if (name === undefined) return given.positional[index]
  if (name.startsWith('?')) return given.positional[Number(name.slice(1)) - 1]
  const exact = given.named.get(name)
  return exact === undefined ? given.named.get(name.slice(1)) : exact
}

const argsInvalid = (detail: string): StatementError =>
  new StatementError('ARGS_INVALID', `Arguments do not match SQL parameters: ${detail}`)

/** A Hrana `Batch`. @throws ProtocolError or StatementError; sqld refuses the whole batch for one bad statement. */
export function decodeBatch(
  value: unknown,
  stored: StoredSql,
  version: ProtocolVersion,
): readonly Step[] {
  const batch = fieldsOf(value, 'struct Batch')
  if (batch['steps'] === undefined) throw malformed('missing field `steps`')
  return listOf(batch['steps'], 'a sequence').map((given, i) => {
    const step = fieldsOf(given, 'struct BatchStep')
    const query = decodeStmt(step['stmt'], stored)
    const condition = step['condition'] ?? undefined
    return {
      query,
      condition:
        condition === undefined ? undefined : decodeCondition(condition, i, { version, depth: 0 }),
    }
  })
}

/** Deeper conditions are refused: the JSON reader of sqld stops at 128 levels too. */
const maxConditionDepth = 100

function decodeCondition(
  value: unknown,
  stepCount: number,
  at: { readonly version: ProtocolVersion; readonly depth: number },
): Condition {
  if (at.depth > maxConditionDepth) throw malformed('recursion limit exceeded')
  const fields = fieldsOf(value, 'enum BatchCond')
  const inner = { ...at, depth: at.depth + 1 }
  const { type } = fields
  switch (type) {
    case 'ok':
    case 'error':
      return { type, step: stepOf(fields['step'], stepCount) }
    case 'not':
      return { type, condition: decodeCondition(fields['cond'], stepCount, inner) }
    case 'and':
    case 'or':
      return {
        type,
        conditions: listOf(fields['conds'], 'a sequence').map((cond) =>
          decodeCondition(cond, stepCount, inner),
        ),
      }
    case 'is_autocommit':
      if (at.version < 3) {
        throw new ProtocolError(
          'BatchCond of type `is_autocommit` is only supported in protocol version hrana3 and higher',
        )
      }
      return { type }
    default:
      throw malformed('unknown variant, expected a BatchCond')
  }
}

function stepOf(value: unknown, stepCount: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw malformed('invalid type: expected u32')
  if (value >= stepCount) throw new ProtocolError('Invalid reference to step in a batch condition')
  return value
}

/** The statements of a script, each to run only after the one before succeeded. @throws StatementError. */
export function decodeSequence(sql: string): readonly Query[] {
  return statementsOf(sql).map((statement) => ({
    statement,
    args: bind(statement, [], new Map()),
    wantsRows: false,
  }))
}

/** A body's JSON. @throws ProtocolError when it is none. */
export function parseBody(body: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error))
  }
  return fieldsOf(value, 'struct')
}
