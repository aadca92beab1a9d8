import type { BatchMode, Rows, Statement } from '@stoa/kernel'

import { openLibsql } from './libsql.ts'
import { openSqlite } from './sqlite.ts'

/** A real engine, in memory. */
export type Engine = {
  /** Runs `statements` as one transaction. @throws the engine's own error; nothing was written. */
  transact(statements: readonly Statement[], mode: BatchMode): Promise<readonly Rows[]>
  close(): void
}

export type EngineOptions = {
  /** `sqlite` is Node's own, five times as fast; `libsql` is what production runs on. Both must find the same. */
  readonly name: 'sqlite' | 'libsql'
  /** The statements that make its tables. */
  readonly schema: string
  /** Gives rows in the opposite order where nobody asked for one: nothing may depend on it. */
  readonly isReversed?: boolean
}

/** An empty database with its tables. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  return options.name === 'sqlite' ? openSqlite(options) : openLibsql(options)
}
