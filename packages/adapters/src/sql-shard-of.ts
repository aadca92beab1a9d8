import { type Client, LibsqlError } from '@libsql/client/web'
import type { BatchMode, Rows, SqlShard, Statement } from '@stoa/kernel'

import { faultOf } from './libsql-failure.ts'
import { fromClient, toClient } from './libsql-values.ts'

/**
 * A shard on any client of the `@libsql/client` family, made with `intMode: 'bigint'`: an in-memory or
 * file database in a test on Node. It cannot be cut off in mid-batch, so nothing there is ambiguous.
 */
export function sqlShardOf(client: Client, name: string): SqlShard {
  return {
    name,
    async batch(statements, mode, call) {
      call.signal.throwIfAborted()
      try {
        return await runBatch(client, statements, mode)
      } catch (error) {
        const sent = error instanceof LibsqlError
        throw asError(faultOf(error, { shard: name, mode, call, sent, status: 200 }))
      }
    },
  }
}

/** A statement that cannot write, and so needs neither BEGIN nor COMMIT around it. */
const selectOnly = /^\s*select\b/i
/** How a statement that reads may begin. The engine itself does not refuse to write in a read. */
const reading = /^\s*(select|with|values|explain|pragma)\b/i

/** Whether a batch is a single SELECT in a read: it can be sent as it is. */
export function isOneSelect(
  statements: readonly Statement[],
  mode: BatchMode,
): statements is readonly [Statement] {
  const [only, ...others] = statements
  return mode === 'read' && only !== undefined && others.length === 0 && selectOnly.test(only.sql)
}

/** Runs the batch on `client` in the right mode: one request. */
export async function runBatch(
  client: Client,
  statements: readonly Statement[],
  mode: BatchMode,
): Promise<readonly Rows[]> {
  const [first] = statements
  if (first === undefined) return []
  if (mode === 'read' && !statements.every(({ sql }) => reading.test(sql))) {
    throw new TypeError('Cannot write in a read: a lost reply would be taken for a failed read')
  }
  if (isOneSelect(statements, mode)) return [fromClient(await client.execute(toClient(first)))]
  const results = await client.batch(statements.map(toClient), mode)
  return results.map(fromClient)
}

/** Throws need an Error; the reason of a foreign signal may be anything. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
}
