import { allShards } from '@stoa/adapters/keyspace'
import { qstashQueue, qstashVerifier } from '@stoa/adapters/qstash'
import { libsqlShard } from '@stoa/adapters/shard'
import { report } from '@stoa/http'
import { type QueueVerifier, secureRandom, sleep, systemClock } from '@stoa/kernel'
import {
  createCircuits,
  type DeadLetterDeps,
  mirrorDeadLetters,
  type RelayDeps,
  sweepOutbox,
} from '@stoa/messaging'
import { createMover } from '@stoa/resharding'

import { tend, type TendDeps } from './domain/tend.ts'
import type { TickDeps } from './domain/tick.ts'
import type { Config } from './env.ts'
import { givenUpOf } from './store/given-up.ts'
import { type Keyspaces, openKeyspaces } from './store/keyspaces.ts'
import { abandonedMoves } from './store/moves.ts'

/** One for the isolate: a tick learns from the one before. */
const circuits = createCircuits(systemClock)

export type Deps = TickDeps & {
  readonly relay: RelayDeps
  readonly letters: DeadLetterDeps
  readonly keyspaces: Keyspaces
  readonly verifier: QueueVerifier
}

function tendDepsOf(keyspaces: Keyspaces, relay: RelayDeps): TendDeps {
  return {
    gaps: { ...relay, findRows: keyspaces.find },
    endedBefore: async (gids, time, call) => {
      const sql = 'SELECT id FROM saga WHERE id = ? AND finished_at <= ?'
      const queries = gids.map((gid) => ({ key: gid, statement: { sql, args: [gid, time] } }))
      return (await keyspaces.findMany(queries, call)).map(([id]) => String(id))
    },
    random: secureRandom,
    clock: systemClock,
    report,
  }
}

export function buildDeps(config: Config): Deps {
  const database = { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN }
  const meta = libsqlShard({ name: 'meta', url: config.META_URL, token: config.LIBSQL_TOKEN })
  const mover = createMover({
    meta,
    open: ({ name, url }) => libsqlShard({ name, url, token: config.LIBSQL_TOKEN }),
    clock: systemClock,
    random: secureRandom,
    sleep: (ms, call) => sleep(ms, systemClock, call.signal),
  })
  const access = { url: config.QSTASH_URL, token: config.QSTASH_TOKEN }
  const queue = qstashQueue(access)
  const relay = { queue, publicUrl: config.PUBLIC_URL, clock: systemClock }
  const keyspaces = openKeyspaces(config)
  const letters = { ...relay, keyspace: keyspaces.router }
  const givenUp = givenUpOf(access)
  const tending = tendDepsOf(keyspaces, relay)
  return {
    shards: (call) => allShards(database, call),
    sweep: (shard, call) => sweepOutbox(shard, { ...relay, worker: crypto.randomUUID() }, call),
    tend: (shard, call) => tend(shard, tending, call),
    circuits,
    abandoned: (before, call) => abandonedMoves(meta, before, call),
    advance: (id, call) => mover.advance(id, call),
    mirror: (call) => mirrorDeadLetters(givenUp, letters, call),
    queue,
    publicUrl: config.PUBLIC_URL,
    relay,
    letters,
    keyspaces,
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
    clock: systemClock,
    report,
  }
}
