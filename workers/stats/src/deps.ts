import { openServiceKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import { upstashRedis } from '@stoa/adapters/upstash-redis'
import type { Links } from '@stoa/contracts'
import { checkLog, type Counting, createCounting, type Log } from '@stoa/counting'
import { report } from '@stoa/http'
import { type Call, type Clock, secureRandom, systemClock } from '@stoa/kernel'
import type { Inbox } from '@stoa/messaging'

import { kinds } from './domain/kinds.ts'
import type { Counters } from './domain/ports.ts'
import { createWaker, wakeEveryMs } from './domain/waker.ts'
import type { Config, RedisDatabase } from './env.ts'
import { countersOf } from './store/counters.ts'
import { type RepairStore, repairStore } from './store/recount.ts'

/** What a dying isolate may lose; and the most that a request's `waitUntil` then waits. */
const flushAgeMs = 5_000
/** The cron's period. */
const drainEveryMs = 60_000

export type Deps = {
  readonly counters: Counters
  readonly counting: Counting
  readonly repairs: RepairStore
  readonly inbox: Inbox
  readonly clock: Clock
  readonly wake: (call: Call) => Promise<void>
  /** Reports, once an isolate, each log whose database may evict. */
  readonly checkLogs: (call: Call) => Promise<void>
  /** Keeps the isolate alive for work after the answer. */
  readonly defer: (work: Promise<unknown>) => void
  /** How far behind windows, boards and viewers may be; and how late a report may be put down. */
  readonly staleMsMax: number
  readonly lateMsMax: number
}

function redisOf(name: string, { url, token }: RedisDatabase): Log {
  return { name, redis: upstashRedis({ name, url, token }) }
}

function checkerOf(logs: readonly Log[]): Deps['checkLogs'] {
  let unchecked = logs
  return async (call) => {
    const now = unchecked
    unchecked = []
    for (const log of now) {
      await checkLog(log, call).catch((error: unknown) => report(error, call.requestId))
    }
  }
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('stats', config, { defer, report })
  const { router, ids, clock, inbox } = access
  const queue = qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN })
  const wake = createWaker({ queue, publicUrl: config.PUBLIC_URL, ids, clock })
  const hot = redisOf('hot', config.hot).redis
  const logs = config.logs.map((database, at) => redisOf(`log-${at}`, database))
  return {
    counters: countersOf(access),
    counting: createCounting({
      kinds,
      logs,
      hot,
      router,
      clock: systemClock,
      random: secureRandom,
      defer,
      report,
      wake,
      wakeEveryMs,
      flushAgeMs,
      drainEveryMs,
    }),
    repairs: repairStore(access, hot),
    inbox,
    clock,
    wake,
    checkLogs: checkerOf(logs),
    defer,
    staleMsMax: flushAgeMs + drainEveryMs,
    lateMsMax: flushAgeMs,
  }
}
