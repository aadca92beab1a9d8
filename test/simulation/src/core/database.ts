import {
  AmbiguousWriteError,
  type BatchMode,
  type Rows,
  ShardBusyError,
  ShardUnavailableError,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'
import { type Engine, faultOf } from '@stoa/test-engine'

import { type Network, NetworkError } from './network.ts'
import type { Process } from './process.ts'

/** A database of the simulation: what a process reaches only through the network. */
export type Database = {
  readonly name: string
  readonly engine: Engine
  /** Changes what is sent to it, for a mutant; harmless by default. */
  rewrite?(this: void, statements: readonly Statement[]): readonly Statement[]
  /** Sees each batch that took effect or was refused, after it. */
  watch?: (statements: readonly Statement[], outcome: string) => void
}

/** Runs a batch at once, beyond the network: for setting up, for checks, and as what happens when a request arrives. */
export async function runBatch(
  { name, engine, rewrite, watch }: Database,
  statements: readonly Statement[],
  mode: BatchMode,
): Promise<readonly Rows[]> {
  const sent = rewrite === undefined ? statements : rewrite(statements)
  try {
    const results = await engine.transact(sent, mode)
    watch?.(statements, 'ok')
    return results
  } catch (error) {
    const fault = faultOf(error, name)
    watch?.(statements, fault.message)
    throw fault
  }
}

const firstWords = new Map<string, string>()

function wordsOf(sql: string): string {
  const known = firstWords.get(sql)
  if (known !== undefined) return known
  const words = sql.trim().split(/\s+/, 4).join(' ')
  firstWords.set(sql, words)
  return words
}

/** The first words of a batch, for the trace. */
function labelOf(statements: readonly Statement[], mode: BatchMode): string {
  const verbs = statements.map(({ sql, args }) => {
    const words = wordsOf(sql)
    const hint = args.find((value) => typeof value === 'string')
    return hint === undefined ? words : `${words} [${hint.slice(0, 24)}]`
  })
  return `${mode} ${verbs.join('; ')}`
}

/** What each statement gave: its first row, or how many rows it changed. */
function spellRows(results: readonly Rows[]): string {
  const spelt = results.map(({ rows: [first], rows, rowsAffected }) =>
    first === undefined ? String(rowsAffected) : `${String(rows.length)}:[${first.join()}]`,
  )
  return spelt.join(' ').slice(0, 400)
}

/** The database as one process sees it: a {@link SqlShard} behind the network, with the faults the port promises. */
export function shardOf(database: Database, process: Process, network: Network): SqlShard {
  const { name } = database
  return {
    name,
    batch: async (statements, mode, call) => {
      if (statements.length === 0) return []
      call.signal.throwIfAborted()
      try {
        return await network.call(process, name, {
          label: labelOf(statements, mode),
          effect: () => runBatch(database, statements, mode),
          spell: spellRows,
          signal: call.signal,
        })
      } catch (error) {
        if (error instanceof NetworkError) {
          if (error.failure === 'busy') throw new ShardBusyError(name, { cause: error })
          if (error.failure === 'lost' && mode === 'write')
            throw new AmbiguousWriteError(name, { cause: error })
          const reason = error.failure === 'lost' ? 'network' : 'server'
          throw new ShardUnavailableError(name, reason, { cause: error })
        }
        if (mode === 'write' && call.signal.aborted && error === call.signal.reason)
          throw new AmbiguousWriteError(name, { cause: error })
        throw error
      }
    },
  }
}
