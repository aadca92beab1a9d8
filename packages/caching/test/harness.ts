import { memoryRedis } from '@stoa/adapters/memory'
import {
  manualClock,
  type RedisCommand,
  type RedisPort,
  RedisUnavailableError,
  rootCall,
  seededRandom,
} from '@stoa/kernel'

import { type Cache, type CacheOptions, createCache } from '../src/index.ts'

export const call = rootCall('test')
export const start = 1_790_000_000_000

/** How a database answers: not at all, never, or after doing what it was told. */
export type Mood = 'well' | 'down' | 'hangs' | 'loses replies'

export type FakeDatabase = RedisPort & {
  mood: Mood
  /** Round trips, each a list of commands. */
  readonly trips: RedisCommand[][]
}

export function fakeDatabase(clock: ReturnType<typeof manualClock>): FakeDatabase {
  const inner = memoryRedis(clock)
  const trips: RedisCommand[][] = []
  const answer = async <T>(work: () => Promise<T>, commands: readonly RedisCommand[]) => {
    trips.push([...commands])
    if (database.mood === 'hangs') return new Promise<T>(() => undefined)
    if (database.mood === 'down') throw new RedisUnavailableError('fake', 'network')
    const result = await work()
    if (database.mood === 'loses replies') throw new RedisUnavailableError('fake', 'network')
    return result
  }
  const database: FakeDatabase = {
    mood: 'well',
    trips,
    run: (command, within, options) => answer(() => inner.run(command, within, options), [command]),
    pipeline: (commands, within, options) =>
      answer(() => inner.pipeline(commands, within, options), commands),
  }
  return database
}

export type Isolate = { readonly cache: Cache; readonly reports: unknown[] }

/** Databases, and as many isolates over them as a test wants. */
export function openWorld(databases = 1, options: Partial<CacheOptions> = {}) {
  const clock = manualClock(start)
  const redis = Array.from({ length: databases }, () => fakeDatabase(clock))
  let seed = 0
  const isolate = (own: Partial<CacheOptions> = {}): Isolate => {
    const reports: unknown[] = []
    seed += 1
    const cache = createCache({
      namespace: 'test',
      redis,
      clock,
      random: seededRandom(seed),
      defer: (work) => void work,
      report: (error) => reports.push(error),
      ...options,
      ...own,
    })
    return { cache, reports }
  }
  return { clock, redis, isolate, database: redis[0] ?? fakeDatabase(clock) }
}

/** Lets everything that waits for nothing but promises come to rest. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Moves the clock in small steps until `work` is done. */
export async function elapse<T>(
  clock: ReturnType<typeof manualClock>,
  work: Promise<T>,
  stepMs = 5,
): Promise<T> {
  const ended = work.then(
    () => true,
    () => true,
  )
  const isDone = () => Promise.race([ended, new Promise((resolve) => setImmediate(resolve, false))])
  for (let steps = 0; steps < 20_000 && (await isDone()) !== true; steps += 1) clock.advance(stepMs)
  return work
}

/** A load that waits until it is let go. */
export function gatedLoad<T>(value: T, version?: number) {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let runs = 0
  return {
    load: async () => {
      runs += 1
      await promise
      return { value, version }
    },
    open: resolve,
    fail: (error: Error) => reject(error),
    runs: () => runs,
  }
}

export function valueOf<T>(value: T, version?: number) {
  return () => Promise.resolve({ value, version })
}
