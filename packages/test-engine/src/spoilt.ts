import {
  AmbiguousWriteError,
  ShardUnavailableError,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'

import type { Engine } from './engine.ts'
import { shardOn } from './shard.ts'

/** What becomes of a batch: the reply is lost after the effect, the request before it, or it is refused. */
export type Spoilt = 'reply' | 'request' | 'refused'

/** A shard whose next batches may be lost, and which tells what was sent. */
export type SpoiltShard = SqlShard & {
  /** Batches that were sent, the spoilt ones too. */
  sent: (readonly Statement[])[]
  /** What becomes of the next batches, in order. */
  spoil(this: void, ...next: Spoilt[]): void
  /** Runs before each batch: what happens elsewhere in the meantime. */
  before: (this: void) => Promise<void>
  /** One statement past all of this. */
  run(this: void, sql: string, ...args: SqlValue[]): Promise<readonly (readonly SqlValue[])[]>
  close(this: void): void
}

/** `engine` as a shard that can be spoilt; `rewrite` changes what is sent, as a mutant would. */
export function spoiltShardOn(
  engine: Engine,
  name: string,
  rewrite: (sql: string) => string = (sql) => sql,
): SpoiltShard {
  const shard = shardOn(engine, name)
  const next: Spoilt[] = []
  const spoilt: SpoiltShard = {
    name,
    sent: [],
    spoil: (...fates) => next.push(...fates),
    before: async () => undefined,
    batch: async (statements, mode, call) => {
      await spoilt.before()
      call.signal.throwIfAborted()
      spoilt.sent.push(statements)
      const fate = next.shift()
      if (fate === 'refused') throw new ShardUnavailableError(name, 'network')
      if (fate === 'request') throw new AmbiguousWriteError(name)
      const rewritten = statements.map(({ sql, args }) => ({ sql: rewrite(sql), args }))
      const answer = shard.batch(rewritten, mode, call)
      if (fate === undefined) return answer
      // Whatever the answer was, it is lost.
      await answer.catch(() => undefined)
      throw new AmbiguousWriteError(name)
    },
    run: async (sql, ...args) => {
      const [rows] = await engine.transact([{ sql, args }], 'write')
      return rows?.rows ?? []
    },
    close: () => engine.close(),
  }
  return spoilt
}
