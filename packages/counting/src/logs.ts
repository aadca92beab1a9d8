import type { Call, RedisPort } from '@stoa/kernel'
import { rendezvous } from '@stoa/sharding'

import { LogEvictsError } from './faults.ts'
import { bucketCount } from './subject.ts'

/** A Redis database that holds a log: never evicting, and shared with no cache. */
export type Log = { readonly name: string; readonly redis: RedisPort }

/** The stream in which a log's flushes wait. */
export const logKey = 'count:log'

/**
 * Which log takes a bucket's increments, by rendezvous hashing: a new log takes its part from all others alike. Any log
 * may carry any flush: dedupe is in the database.
 *
 * @throws InvalidPlacementError when there is no log, or two have one name.
 */
export function logOfBucket(logs: readonly Log[]): (bucket: number) => number {
  const place = rendezvous(logs)
  const chosen = Uint16Array.from({ length: bucketCount }, (_, bucket) =>
    logs.indexOf(place(bucket)),
  )
  return (bucket) => chosen[bucket] ?? 0
}

/**
 * Asks a log's database whether it evicts: an evicted log loses increments that were acknowledged. For the set-up, one
 * round trip each.
 *
 * @returns `unknown` where the database does not say (Upstash: look at its settings).
 * @throws LogEvictsError
 */
export async function checkLog(log: Log, call: Call): Promise<'keeps' | 'unknown'> {
  const [answer] = await log.redis.pipeline([['INFO', 'memory']], call, { idempotent: true })
  if (answer === undefined || !('result' in answer)) return 'unknown'
  const policy = /maxmemory_policy:([\w-]+)/.exec(String(answer.result))?.[1]
  if (policy === undefined) return 'unknown'
  if (policy !== 'noeviction') throw new LogEvictsError(log.name, policy)
  return 'keeps'
}
