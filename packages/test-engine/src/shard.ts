import {
  isFault,
  parseFence,
  readConstraint,
  ShardFencedError,
  SqlConstraintError,
  type SqlShard,
} from '@stoa/kernel'

import type { Engine } from './engine.ts'

/** The low byte of SQLite's extended codes for a broken rule. */
const constraint = 19

function isConstraint(error: Error): boolean {
  if ('errcode' in error) return (Number(error.errcode) & 0xff) === constraint
  return 'code' in error && String(error.code).startsWith('SQLITE_CONSTRAINT')
}

/** The Fault that an engine's error amounts to, as the adapters tell it; else the error itself. */
export function faultOf(error: unknown, shard: string): Error {
  if (!(error instanceof Error)) return new Error(String(error), { cause: error })
  if (isFault(error)) return error
  const fence = parseFence(error.message)
  if (fence !== undefined) return new ShardFencedError(shard, fence, { cause: error })
  if (!isConstraint(error)) return error
  const broken = { ...readConstraint(error.message), statement: undefined }
  return new SqlConstraintError(shard, broken, { cause: error })
}

/** An engine as a shard. It cannot be cut off in mid-batch, so nothing here is ambiguous: a test loses replies itself. */
export function shardOn(engine: Engine, name: string): SqlShard {
  return {
    name,
    batch: async (statements, mode, call) => {
      call.signal.throwIfAborted()
      try {
        return await engine.transact(statements, mode)
      } catch (error) {
        throw faultOf(error, name)
      }
    },
  }
}
