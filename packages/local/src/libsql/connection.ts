import Database from 'libsql'

import { busyCode, engineFailureOf, runtimeError } from './errors.ts'
import { prepareError } from './prepare-error.ts'
import { singleStatement } from './statement.ts'
import type { Statement } from './statement.ts'
import type { SqlValue } from './values.ts'

/** A statement ready to run on one connection. */
export type Prepared = {
  readonly engine: Database.Statement<[readonly SqlValue[]]>
  readonly isReader: boolean
  readonly columns: readonly Column[]
  /** `columns` as Hrana's `cols`, written once. */
  readonly columnsJson: string
  readonly schemaVersion: number
}

/** Moves with every change of the schema: what was prepared before may have other columns now. */
export type SchemaClock = { version: number }

type Column = { readonly name: string; readonly type: string | null }

/** One statement on its way: its rows are pulled, and only then is its outcome known. */
export type Running = {
  readonly prepared: Prepared
  readonly rows: Iterator<unknown, unknown>
  /** To be asked once the last row was read. */
  outcome(): Outcome
  /** Ends a read that nobody wants to finish, so that it lets go of its snapshot. Not for one that has failed. */
  abandon(): void
}

export type Outcome = { readonly affected: number; readonly lastRowid: bigint | undefined }

/** Prepared statements kept for each connection; past this the oldest goes. */
const maxPrepared = 200
/** A longer text carries its values inside and is not seen again. */
const maxPreparedLength = 8192

const noRows: Iterator<unknown, unknown> = { next: () => ({ done: true, value: undefined }) }

/**
 * One SQLite connection of one database file, with its prepared statements.
 *
 * Never waits: the busy timeout is zero, and who needs the write lock asks {@link WriteLock} first.
 */
export class Connection {
  readonly #engine: Database.Database
  readonly #prepared = new Map<string, Prepared>()
  readonly #changes: Database.Statement<[readonly SqlValue[]]>
  readonly #anySchemaRow: Database.Statement<[readonly SqlValue[]]>
  /** The schema clock when the engine last compared its own copy of the schema with the file's. */
  #seenSchema = -1
  /** The lock was taken away in the middle of a transaction; the next program must be told. */
  wasRolledBack = false
  /** This transaction has changed the schema. */
  changedSchema = false
  #touchedForeignKeys = false
  readonly #schema: SchemaClock

  constructor(path: string, schema: SchemaClock) {
    this.#schema = schema
    this.#engine = new Database(path, { timeout: 0 })
    this.#engine.defaultSafeIntegers(true)
    this.#engine.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = OFF',
    )
    this.#changes = this.#engine.prepare('SELECT changes(), last_insert_rowid()')
    this.#changes.raw(true)
    this.#anySchemaRow = this.#engine.prepare('SELECT 1 FROM sqlite_schema LIMIT 1')
  }

  get inTransaction(): boolean {
    return this.#engine.inTransaction
  }

  /** @throws StatementError when the statement cannot be prepared. */
  prepare(statement: Statement): Prepared {
    if (statement.isPragma) return this.#prepareFresh(statement.sql)
    const known = this.#prepared.get(statement.sql)
    if (known !== undefined && known.schemaVersion === this.#schema.version) return known
    const fresh = this.#prepareFresh(statement.sql)
    if (statement.sql.length <= maxPreparedLength) this.#keep(statement.sql, fresh)
    return fresh
  }

  /**
   * SQLite compares its copy of the schema with the file's when a statement runs, not when it is prepared. Prepared on
   * an old copy, `INSERT INTO t VALUES (1, 2)` fails by the columns `t` had, and `SELECT *` names them over new rows.
   */
  #readSchema(): void {
    const { version } = this.#schema
    if (this.#seenSchema === version) return
    try {
      this.#anySchemaRow.get([])
      // A transaction reads the schema of its snapshot; what the file holds by now is seen when it is over.
      if (!this.#engine.inTransaction) this.#seenSchema = version
    } catch (error) {
      // Whatever is in the way of a read will be in the way of the statement too, and is told there.
      if (engineFailureOf(error) === undefined) throw error
    }
  }

  #prepareFresh(sql: string): Prepared {
    this.#readSchema()
    try {
      const engine = this.#engine.prepare<[readonly SqlValue[]]>(sql)
      const isReader = engine.reader
      if (isReader) engine.raw(true)
      const columns = engine.columns().map(({ name, type }) => ({ name, type }))
      const columnsJson = JSON.stringify(
        columns.map(({ name, type }) => ({ name, decltype: type })),
      )
      return { engine, isReader, columns, columnsJson, schemaVersion: this.#seenSchema }
    } catch (error) {
      const failure = engineFailureOf(error)
      if (failure === undefined) throw error
      throw prepareError(sql, failure, (part) => this.#messageOf(part))
    }
  }

  /** What the engine says about a text that does not parse. */
  #messageOf(sql: string): string {
    try {
      this.#engine.prepare(sql)
      return ''
    } catch (error) {
      return error instanceof Error ? error.message : ''
    }
  }

  #keep(sql: string, prepared: Prepared): void {
    this.#prepared.delete(sql)
    if (this.#prepared.size >= maxPrepared)
      this.#prepared.delete(this.#prepared.keys().next().value ?? '')
    this.#prepared.set(sql, prepared)
  }

  /**
   * Starts a statement; one without result columns has run to its end when this returns.
   *
   * @param args One value for every parameter: the addon keeps the bindings of the run before for what is left out.
   */
  start(statement: Statement, args: readonly SqlValue[]): Running {
    const prepared = this.prepare(statement)
    if (statement.touchesForeignKeys) this.#touchedForeignKeys = true
    if (prepared.isReader) return this.#startReader(statement, prepared, args)
    const result = this.#guard(prepared, args, () => prepared.engine.run(args))
    const outcome = (): Outcome => this.#outcome(statement, result)
    return { prepared, rows: noRows, outcome, abandon: () => undefined }
  }

  #startReader(statement: Statement, prepared: Prepared, args: readonly SqlValue[]): Running {
    const rows = this.#guard(prepared, args, () => prepared.engine.iterate(args))
    const next = (): IteratorResult<unknown> => this.#guard(prepared, args, () => rows.next())
    // An EXPLAIN stays active after its last row, and everything read beside it keeps its snapshot; `get` resets.
    const settle = (): void => {
      if (statement.isExplain) prepared.engine.get(args)
    }
    return {
      prepared,
      rows: { next },
      outcome: () => {
        settle()
        return this.#outcome(statement, undefined)
      },
      abandon: () => (statement.isExplain ? settle() : this.#abandon(rows)),
    }
  }

  #guard<T>(prepared: Prepared, args: readonly SqlValue[], run: () => T): T {
    try {
      return run()
    } catch (error) {
      const failure = engineFailureOf(error)
      if (failure === undefined) throw error
      if ((failure.rawCode & 0xff) === busyCode) this.#unstick(prepared, args)
      throw runtimeError(failure, error)
    }
  }

  /**
   * A statement that met SQLITE_BUSY stays half-started and keeps its snapshot, and the addon has no reset. Running
   * it again resets it first; `query_only` makes that second run fail cleanly instead of writing.
   */
  #unstick(prepared: Prepared, args: readonly SqlValue[]): void {
    this.#engine.exec('PRAGMA query_only = ON')
    try {
      if (prepared.isReader) prepared.engine.iterate(args).next()
      else prepared.engine.run(args)
    } catch {
      // Meant to fail: it was run for its reset alone.
    } finally {
      this.#engine.exec('PRAGMA query_only = OFF')
    }
  }

  #outcome(statement: Statement, result: Database.RunResult | undefined): Outcome {
    if (!statement.isChange) return { affected: 0, lastRowid: undefined }
    const rowid = Number(result?.lastInsertRowid ?? Number.NaN)
    const isExact = Number.isSafeInteger(rowid)
    if (result !== undefined && (isExact || !statement.isInsert)) {
      return {
        affected: result.changes,
        lastRowid: statement.isInsert ? BigInt(rowid) : undefined,
      }
    }
    const [changes, last] = this.#changes.all([])[0] as [bigint, bigint]
    return { affected: Number(changes), lastRowid: statement.isInsert ? last : undefined }
  }

  /** All rows of a small query of the server's own. */
  readAll(sql: string, args: readonly SqlValue[] = []): readonly (readonly unknown[])[] {
    const running = this.start(singleStatement(sql), args)
    const rows: (readonly unknown[])[] = []
    for (let next = running.rows.next(); next.done !== true; next = running.rows.next())
      rows.push(next.value as readonly unknown[])
    running.outcome()
    return rows
  }

  #abandon(rows: Iterator<unknown, unknown>): void {
    interrupt(this.#engine)
    try {
      while (rows.next().done !== true);
    } catch {
      // The interrupt: the read is over.
    }
  }

  rollback(): void {
    if (this.#engine.inTransaction) this.#engine.exec('ROLLBACK')
  }

  /** Makes the connection as new for its next stream. */
  reset(): void {
    this.rollback()
    this.wasRolledBack = false
    if (this.#touchedForeignKeys) this.#engine.exec('PRAGMA foreign_keys = ON')
    this.#touchedForeignKeys = false
  }

  close(): void {
    this.rollback()
    this.#prepared.clear()
    this.#engine.close()
  }
}

/** `interrupt` is in the addon (better-sqlite3 has none) and missing from its types. */
function interrupt(engine: Database.Database): void {
  const interruptible = engine as Database.Database & { interrupt(): void }
  interruptible.interrupt()
}
