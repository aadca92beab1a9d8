import type { InStatement, ResultSet, Value } from '@libsql/client/web'
import type { Rows, SqlValue, Statement } from '@stoa/kernel'

/**
 * The statement as the client takes it. The client binds every `number` as REAL, which would store `5.0`
 * in a column without affinity; whole numbers therefore go as `bigint`, which it binds as INTEGER.
 */
export function toClient(statement: Statement): InStatement {
  return { sql: statement.sql, args: statement.args.map(toArgument) }
}

function toArgument(value: SqlValue): null | string | number | bigint | Uint8Array {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || Object.is(value, -0))
    return value
  return BigInt(value)
}

/** The client's rows as ours. The client must have been made with `intMode: 'bigint'`. */
export function fromClient(result: ResultSet): Rows {
  const { columns, rowsAffected } = result
  const rows = result.rows.map((row) => columns.map((_, i) => fromValue(row[i] ?? null)))
  return { columns, rows, rowsAffected }
}

function fromValue(value: Value): SqlValue {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value
}
