import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import Database from 'libsql'

type SqlValue = string | number | Buffer | null
export type Row = Readonly<Record<string, unknown>>

/**
 * The engine's memory on disk. Memory is primary: writes are collected and go out in one transaction
 * per turn of the event loop; {@link Journal.commit} resolves when everything written before it is stored.
 */
export type Journal = {
  write(sql: string, args: readonly SqlValue[]): void
  /** Rejects when the disk refuses; the writes are kept and tried again with the next commit. */
  commit(): Promise<void>
  read(sql: string): readonly Row[]
  close(): void
}

const schema = `
  CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY, fixed TEXT NOT NULL, body BLOB NOT NULL,
    due INTEGER NOT NULL, retried INTEGER NOT NULL, state INTEGER NOT NULL, slot INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log (pos INTEGER PRIMARY KEY, seq INTEGER NOT NULL, entry TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS dlq (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, entry TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
`

/** A journal that forgets: the whole state is in memory only. */
export function memoryJournal(): Journal {
  const done = Promise.resolve()
  return { write: () => undefined, commit: () => done, read: () => [], close: () => undefined }
}

/**
 * A journal in `<dataDir>/qstash.db` (SQLite, WAL, `synchronous=NORMAL`): a killed process loses nothing
 * that was committed; a power cut may lose the last moments.
 */
export function openJournal(dataDir: string): Journal {
  mkdirSync(dataDir, { recursive: true })
  const database = new Database(join(dataDir, 'qstash.db'))
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = NORMAL')
  database.exec(schema)
  return new DiskJournal(database)
}

type Statement = ReturnType<Database.Database['prepare']>
type Write = { readonly sql: string; readonly args: readonly SqlValue[] }

class DiskJournal implements Journal {
  readonly #database: Database.Database
  readonly #statements = new Map<string, Statement>()
  #writes: Write[] = []
  #flushing: Promise<void> | undefined

  constructor(database: Database.Database) {
    this.#database = database
  }

  write(sql: string, args: readonly SqlValue[]): void {
    this.#writes.push({ sql, args })
  }

  commit(): Promise<void> {
    if (this.#flushing === undefined && this.#writes.length === 0) return Promise.resolve()
    this.#flushing ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#flushing = undefined
        try {
          this.#flush()
          resolve()
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    })
    return this.#flushing
  }

  read(sql: string): readonly Row[] {
    // The package types rows as unknown; each caller checks the columns it takes.
    return this.#database.prepare(sql).all([]) as readonly Row[]
  }

  close(): void {
    this.#flush()
    this.#statements.clear()
    this.#database.close()
  }

  #flush(): void {
    const writes = this.#writes
    if (writes.length === 0) return
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      for (const { sql, args } of writes) this.#prepared(sql).run(args)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
    this.#writes = []
  }

  #prepared(sql: string): Statement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const made = this.#database.prepare(sql)
    this.#statements.set(sql, made)
    return made
  }
}
