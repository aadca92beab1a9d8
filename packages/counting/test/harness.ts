import { createIds, manualClock, seededRandom, slotText } from '@stoa/kernel'

import { type Counting, type CountingOptions, createCounting, type Kind } from '../src/index.ts'
import { type Fleet, openFleet } from './databases.ts'
import { type FakeRedis, fakeRedis } from './fake-redis.ts'

export const start = 1_790_000_000_000

export const post: Kind = {
  name: 'post',
  mode: 'eventual',
  metrics: [
    { name: 'views', windowsMs: [60_000], boardMs: 3_600_000 },
    { name: 'likes', signed: true },
  ],
  uniques: ['viewers'],
  pagesPerBucket: 1,
}
export const stock: Kind = {
  name: 'stock',
  mode: 'accurate',
  metrics: [{ name: 'sold', signed: true }],
}
export const pulse: Kind = { name: 'pulse', mode: 'best-effort', metrics: [{ name: 'beats' }] }
export const kinds = [post, stock, pulse]

export type Bench = {
  readonly fleet: Fleet
  readonly log: FakeRedis
  readonly hot: FakeRedis
  readonly clock: ReturnType<typeof manualClock>
  readonly counting: Counting
  readonly reported: unknown[]
  /** Another isolate over the same databases. */
  isolate(this: void, options?: Partial<CountingOptions>): Counting
  /** Ends when all that was put off until after the answers has ended. */
  settle(this: void): Promise<void>
}

let producers = 0

/** Two databases, one log, one hot view, and everything of the package over them. */
export async function openBench(
  options: Partial<CountingOptions> = {},
  isFenced = true,
): Promise<Bench> {
  const fleet = await openFleet(options.kinds ?? kinds, isFenced)
  const log = fakeRedis()
  const hot = fakeRedis()
  const clock = manualClock(start)
  const reported: unknown[] = []
  const deferred: Promise<unknown>[] = []
  const isolate = (more: Partial<CountingOptions> = {}) => {
    producers += 1
    return createCounting({
      kinds,
      boards: [{ name: 'terms', windowMs: 3_600_000 }],
      logs: [{ name: 'log-0', redis: log }],
      hot,
      router: fleet.router,
      clock,
      random: seededRandom(producers),
      defer: (work) => deferred.push(work),
      report: (error) => reported.push(error),
      ...options,
      ...more,
    })
  }
  return {
    fleet,
    log,
    hot,
    clock,
    counting: isolate(),
    reported,
    isolate,
    settle: async () => {
      while (deferred.length > 0) await deferred.shift()
    },
  }
}

const ids = createIds({ clock: manualClock(start - 86_400_000), random: seededRandom(1) })

/** An id in a slot: below 8,192 it lies in database a. */
export function idIn(slot: number): string {
  return ids.rootAt(`${slotText(slot)}00`)
}
