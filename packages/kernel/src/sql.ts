import type { Call } from './call.ts'

/** What a column holds. Whole numbers come back as `number` when exact, else as `bigint`. */
export type SqlValue = null | string | number | bigint | Uint8Array

/** One statement. `args` bind the anonymous `?` in order; a whole `number` binds as INTEGER. */
export type Statement = { readonly sql: string; readonly args: readonly SqlValue[] }

/** What one statement gave. */
export type Rows = {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly SqlValue[])[]
  /** Rows inserted, updated or deleted by the statement itself; triggers are not counted. */
  readonly rowsAffected: number
}

/** `write` takes the write lock first (BEGIN IMMEDIATE); `read` sees one snapshot. */
export type BatchMode = 'read' | 'write'

/** One database: a shard of a keyspace, or an unsharded one. There are no interactive transactions. */
export type SqlShard = {
  /** The name of the database in the topology; never its address or token. */
  readonly name: string
  /**
   * Runs `statements` in order as one transaction: all of them, or none. One round trip. Gives one
   * {@link Rows} for each statement. An empty batch costs nothing and gives nothing.
   *
   * @throws TypeError when a read begins with a word that writes; nothing was sent.
   * @throws SqlConstraintError when a row broke a rule; nothing was written.
   * @throws ShardFencedError when the shard does not own the slot; nothing was written.
   * @throws ShardBusyError when it had no time; nothing was written.
   * @throws ShardUnavailableError when it did not answer, and nothing was written.
   * @throws AmbiguousWriteError when a write may or may not have happened.
   * @throws the reason of `call.signal`, when it aborted a read, or a write that was not sent.
   */
  batch(statements: readonly Statement[], mode: BatchMode, call: Call): Promise<readonly Rows[]>
}
