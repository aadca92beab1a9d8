import { AmbiguousWriteError, type Rows, type SqlShard } from '@stoa/kernel'

import { pieceIn } from '../owned.ts'
import type { Router } from '../router.ts'
import type { ShardInfo } from '../topology.ts'
import { type Lane, primaryLane } from './lane.ts'
import type { ReplicaPool } from './pool.ts'
import {
  emptyToken,
  formatToken,
  marked,
  maxStaleMsMax,
  parseToken,
  seqFor,
  type SessionToken,
} from './session-token.ts'

export type SessionOptions = {
  /** What {@link Session.token} gave to an earlier request of the same visitor. Default: nothing was written. */
  readonly token?: string
  /** How old a copy may be, in milliseconds, at most 60,000. Default: 5,000. */
  readonly maxStaleMs?: number
}

export type Session = {
  readonly router: Router
  /**
   * What the session has written so far, for its next request: at most 3,000 characters that a cookie takes, and none
   * two minutes after its last write. It tells how many changes each shard has seen: not a secret, but not signed either.
   */
  token(this: void): string
}

const maxStaleMsDefault = 5_000

type Shards = {
  readonly open: (info: ShardInfo) => SqlShard
  readonly pool: ReplicaPool | undefined
}

/** The way of a session's reads and writes, and its token. */
export function sessionLane(
  { token: text = '', maxStaleMs = maxStaleMsDefault }: SessionOptions,
  { open, pool }: Shards,
): { readonly lane: Lane; readonly token: () => string } {
  if (!(maxStaleMs >= 0 && maxStaleMs <= maxStaleMsMax))
    throw new RangeError(`Cannot read ${maxStaleMs} ms late: at most ${maxStaleMsMax}`)
  const primary = primaryLane(open)
  if (pool === undefined) return { lane: primary, token: () => text }
  const { clock } = pool
  let token: SessionToken = text === '' ? emptyToken : parseToken(text, clock.now())
  const lane: Lane = {
    wantsNewer: ({ version }) => version < token.version && pool.mayRefresh(),
    read: (info, read, call) => {
      const set = pool.setOf(info)
      const seq = seqFor(token, info.name)
      const isMapOld = read.version < token.version
      if (set === undefined || isMapOld || !Number.isFinite(seq))
        return primary.read(info, read, call)
      const fresh = { seq, since: clock.now() - maxStaleMs }
      const { statements, epochs } = read
      const accepts = (answers: readonly Rows[]): boolean =>
        epochs.every((wanted, index) => {
          const { isReadable, epoch } = pieceIn(answers[index])
          return isReadable && epoch >= wanted
        })
      return set.read({ statements, fresh, accepts }, call)
    },
    write: async (info, write, call) => {
      const set = pool.setOf(info)
      const { version, statements, visited } = write
      const note = (seq: number): void => {
        const at = clock.now()
        token = marked(token, { shard: info.name, version, seq, at })
        // A map of this version names one of those that handed the keys on: its replicas may not know of that.
        for (const shard of visited)
          if (shard !== info.name) token = marked(token, { shard, version, seq: Infinity, at })
      }
      try {
        if (set === undefined) {
          const rows = await primary.write(info, write, call)
          // Whoever reads by an older map must not take a replica of the rows' last home for theirs.
          note(0)
          return rows
        }
        const { rows, seq } = await set.write(statements, call)
        note(seq)
        return rows
      } catch (error) {
        if (error instanceof AmbiguousWriteError) note(Infinity)
        throw error
      }
    },
  }
  return { lane, token: () => formatToken(token) }
}
