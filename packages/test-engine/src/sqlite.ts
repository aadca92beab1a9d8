import { DatabaseSync, type StatementSync } from 'node:sqlite'

import type { BatchMode, Rows, Statement } from '@stoa/kernel'

import type { Engine, EngineOptions } from './engine.ts'
import { bound, plain } from './values.ts'

type Prepared = {
  readonly statement: StatementSync
  readonly columns: readonly string[]
  readonly isRead: boolean
}

/** A database with its compiled statements. Whoever is done with it rolls it back to its schema, for the next. */
class Sqlite {
  readonly #database = new DatabaseSync(':memory:')
  readonly #prepared = new Map<string, Prepared>()

  constructor({ schema, isReversed = false }: EngineOptions) {
    this.#database.exec(`PRAGMA reverse_unordered_selects = ${isReversed ? 'ON' : 'OFF'}`)
    this.#database.exec(schema)
  }

  begin(): void {
    this.#database.exec('BEGIN')
  }

  rollBack(): void {
    this.#database.exec('ROLLBACK')
  }

  /**
   * A transaction inside that of the whole life. There is one connection, so the two are the same to everybody; what
   * only reads has nothing to take back.
   */
  transact(statements: readonly Statement[], mode: BatchMode): readonly Rows[] {
    if (mode === 'read') return statements.map((each) => this.#run(each))
    this.#run(savepoint)
    try {
      const results = statements.map((each) => this.#run(each))
      this.#run(release)
      return results
    } catch (error) {
      this.#database.exec('ROLLBACK TO batch; RELEASE batch')
      throw error
    }
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    statement.setReturnArrays(true)
    statement.setReadBigInts(true)
    const columns = statement.columns().map(({ name }) => name)
    const made = { statement, columns, isRead: /^\s*(SELECT|WITH|PRAGMA)\b/i.test(sql) }
    this.#prepared.set(sql, made)
    return made
  }

  #run({ sql, args }: Statement): Rows {
    const { statement, columns, isRead } = this.#prepare(sql)
    const values = args.map(bound)
    if (columns.length === 0) {
      return { columns, rows: [], rowsAffected: Number(statement.run(...values).changes) }
    }
    // With setReturnArrays rows are arrays, which the types do not say.
    const rows = statement.all(...values) as unknown as readonly (readonly unknown[])[]
    const rowsAffected = isRead ? 0 : Number(this.#run(changes).rows[0]?.[0])
    return { columns, rows: rows.map((row) => row.map(plain)), rowsAffected }
  }
}

const changes: Statement = { sql: 'SELECT changes()', args: [] }
const savepoint: Statement = { sql: 'SAVEPOINT batch', args: [] }
const release: Statement = { sql: 'RELEASE batch', args: [] }

/** Databases that are free, by what they were made of. A life needs three or four at once, one life at a time. */
const free = new Map<string, Sqlite[]>()

export function openSqlite(options: EngineOptions): Engine {
  const key = `${String(options.isReversed)} ${options.schema}`
  const waiting = free.get(key) ?? []
  free.set(key, waiting)
  const database = waiting.pop() ?? new Sqlite(options)
  database.begin()
  return {
    transact: async (statements, mode) => database.transact(statements, mode),
    close: () => {
      database.rollBack()
      waiting.push(database)
    },
  }
}
