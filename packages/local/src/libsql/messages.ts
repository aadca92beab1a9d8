/** What a thread can be asked to do with one database. */
export type Operation = 'open' | 'pipeline' | 'cursor' | 'execute' | 'batch' | 'statements'

/** One request for one database. The body stays raw: only the thread reads it. */
export type JobMessage = {
  readonly type: 'job'
  readonly id: number
  readonly database: string
  readonly operation: Operation
  readonly version: 1 | 2 | 3
  readonly body: string
  readonly mayWrite: boolean
  /** Moves when another thread may have changed this database's schema. */
  readonly schemaVersion: number
  /** Streams of this database that have lately expired. */
  readonly expired: readonly string[]
}

export type ToThread =
  | JobMessage
  /** The reader of a cursor wants its next piece. */
  | { readonly type: 'more'; readonly id: number }
  /** The caller has gone. */
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' }

export type DoneMessage = {
  readonly type: 'done'
  readonly id: number
  readonly status: number
  readonly isJson: boolean
  readonly body: string
  readonly statements: number
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly changedSchema: boolean
  /** Streams of the database that are open now: they tie it to this thread. */
  readonly streams: number
}

export type FromThread =
  | DoneMessage
  /** The request waits for the write lock, or (with `body`) for its reader; the thread is free meanwhile. */
  | { readonly type: 'waiting'; readonly id: number; readonly body?: string }
  | { readonly type: 'resumed'; readonly id: number }
  | {
      readonly type: 'expired'
      readonly database: string
      readonly stream: string
      readonly streams: number
    }

/** What a thread is given when it starts. */
export type ThreadOptions = {
  readonly dataDir: string
  readonly batonKey: Uint8Array
  readonly streamTtlMs: number
  readonly lockTimeoutMs: number
}
