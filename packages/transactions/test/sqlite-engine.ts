import { DatabaseSync, type StatementSync } from 'node:sqlite'

import type { BatchMode, Rows, SqlValue, Statement } from '@stoa/kernel'

/** A database in memory; each batch is one transaction. */
export type Engine = {
  batch(statements: readonly Statement[], mode: BatchMode): Promise<readonly Rows[]>
  close(): void
}

type Prepared = { readonly statement: StatementSync; readonly columns: readonly string[] }

function bound(value: SqlValue): SqlValue {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

function plain(value: unknown): SqlValue {
  if (typeof value === 'bigint') {
    const exact = Number(value)
    return Number.isSafeInteger(exact) ? exact : value
  }
  // The engine gives no other types than these.
  return value as SqlValue
}

/** Node's own SQLite, which keeps its compiled statements: for lives too long for the libSQL client. */
export function openSqlite(ddl: readonly string[]): Engine {
  const database = new DatabaseSync(':memory:')
  for (const sql of ddl) database.exec(sql)
  const known = new Map<string, Prepared>()
  const prepare = (sql: string): Prepared => {
    const found = known.get(sql)
    if (found !== undefined) return found
    const statement = database.prepare(sql)
    statement.setReturnArrays(true)
    statement.setReadBigInts(true)
    const made = { statement, columns: statement.columns().map(({ name }) => name) }
    known.set(sql, made)
    return made
  }
  const changes = prepare('SELECT changes()').statement
  const run = ({ sql, args }: Statement): Rows => {
    const { statement, columns } = prepare(sql)
    const values = args.map(bound)
    if (columns.length === 0) {
      return { columns, rows: [], rowsAffected: Number(statement.run(...values).changes) }
    }
    // With setReturnArrays rows are arrays, which the types do not say.
    const rows = statement.all(...values) as unknown as readonly (readonly unknown[])[]
    const [changed] = changes.all() as unknown as readonly (readonly unknown[])[]
    return { columns, rows: rows.map((row) => row.map(plain)), rowsAffected: Number(changed?.[0]) }
  }
  return {
    batch: async (statements, mode) => {
      if (mode === 'read') return statements.map(run)
      database.exec('BEGIN IMMEDIATE')
      try {
        const results = statements.map(run)
        database.exec('COMMIT')
        return results
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    },
    close: () => database.close(),
  }
}
