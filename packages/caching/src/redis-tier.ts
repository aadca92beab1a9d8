import {
  type Call,
  type Clock,
  type Random,
  type RedisCommand,
  RedisCommandError,
  type RedisPort,
  type RedisReply,
  RedisUnavailableError,
  within,
  xxh32,
} from '@stoa/kernel'

import { type Breaker, createBreaker } from './breaker.ts'
import type { Send } from './drive.ts'
import { bounded } from './race.ts'

/** One Redis database, with read replicas that may lag behind it. */
export type RedisDatabase = {
  readonly primary: RedisPort
  readonly readers?: readonly RedisPort[]
}

export type RedisTierOptions = {
  readonly databases: readonly RedisDatabase[]
  readonly clock: Clock
  readonly random: Random
  /** How long one round trip may take before the tier counts as down. */
  readonly redisMs: number
  /** The same for an invalidation, which has nothing else to fall back on. */
  readonly invalidateMs: number
}

/** The Redis databases of a cache, each with a breaker of its own. */
export type RedisTier = {
  readonly count: number
  /** All databases, best first for `key`: one more database takes over only its own share of the keys. */
  rank(key: string): readonly number[]
  hasReaders(database: number): boolean
  /** Sends to the primary. One round trip. @throws a Fault when any command failed, or the breaker is open. */
  sendTo(database: number, call: Call): Send
  /** Sends to the primary whatever the breaker says, and waits longer: what must arrive. */
  insistOn(database: number, call: Call): Send
  /** Sends to a reader. */
  readFrom(database: number, call: Call): Send
}

/** Three in a row, since one may be the network's; a second, since a probe then costs at most `redisMs` of each. */
const breakerOptions = { failures: 3, openMs: 1_000 }

/** @see Thaler and Ravishankar 1998, "Using name-based mappings to increase hit rates" (rendezvous hashing) */
function rendezvous(key: string, count: number): readonly number[] {
  if (count === 1) return [0]
  return Array.from({ length: count }, (_, database) => ({ database, hash: xxh32(key, database) }))
    .toSorted((a, b) => b.hash - a.hash || a.database - b.database)
    .map(({ database }) => database)
}

export function createRedisTier(options: RedisTierOptions): RedisTier {
  const { databases, clock, random, redisMs, invalidateMs } = options
  const lines = databases.map(({ primary, readers = [] }) => ({
    primary: { port: primary, breaker: createBreaker(breakerOptions, clock) },
    readers: readers.map((port) => ({ port, breaker: createBreaker(breakerOptions, clock) })),
  }))
  const sendOver = (
    line: Line | undefined,
    database: number,
    { call, ms, isPatient = false }: Patience,
  ): Send => {
    const unavailable = (why?: ErrorOptions) =>
      new RedisUnavailableError(`cache ${database}`, 'network', why)
    return async (commands) => {
      if (line === undefined || (!isPatient && !line.breaker.allows())) throw unavailable()
      const limited = within(call, ms, clock)
      try {
        return await guarded(line.breaker, () => send(line.port, commands, limited))
      } catch (cause) {
        // Too slow for us is no failure of the caller's own time.
        if (limited.signal.aborted && !call.signal.aborted) throw unavailable({ cause })
        throw cause
      }
    }
  }
  return {
    count: databases.length,
    rank: (key) => rendezvous(key, databases.length),
    hasReaders: (database) => (lines[database]?.readers.length ?? 0) > 0,
    sendTo: (database, call) => sendOver(lines[database]?.primary, database, { call, ms: redisMs }),
    insistOn: (database, call) =>
      sendOver(lines[database]?.primary, database, { call, ms: invalidateMs, isPatient: true }),
    readFrom: (database, call) => {
      const readers = lines[database]?.readers ?? []
      return sendOver(readers[random.uint32() % readers.length], database, { call, ms: redisMs })
    },
  }
}

type Patience = { readonly call: Call; readonly ms: number; readonly isPatient?: boolean }

type Line = { readonly port: RedisPort; readonly breaker: Breaker }

async function guarded<T>(breaker: Breaker, work: () => Promise<T>): Promise<T> {
  try {
    const answer = await work()
    breaker.succeeded()
    return answer
  } catch (error) {
    // A refused command is an answer: the database is well.
    if (error instanceof RedisCommandError) breaker.succeeded()
    else breaker.failed()
    throw error
  }
}

/** Every command of the cache does the same when it comes twice, so all of them may be sent again. */
async function send(
  port: RedisPort,
  commands: readonly RedisCommand[],
  call: Call,
): Promise<readonly RedisReply[]> {
  const [only] = commands
  if (commands.length === 1 && only !== undefined) {
    return [await bounded(port.run(only, call, { idempotent: true }), call)]
  }
  const results = await bounded(port.pipeline(commands, call, { idempotent: true }), call)
  return results.map((result) => {
    if ('error' in result) throw new RedisCommandError(result.error)
    return result.result
  })
}
