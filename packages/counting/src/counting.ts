import {
  type Call,
  type Clock,
  type Random,
  type RedisPort,
  sleep,
  parseId,
  slotOfId,
} from '@stoa/kernel'

import { incrementInShard } from './accurate.ts'
import { BestEffort } from './best-effort.ts'
import { type Ranked, readBoard } from './boards.ts'
import { slotOfBoard } from './buffer.ts'
import { freezeBucket, type FreezeOptions } from './cold.ts'
import { createDrainer, type Drainer } from './drainer.ts'
import { boardOf, windowStart } from './effects.ts'
import { InvalidIncrementError, UnknownMetricError, WrongModeError } from './faults.ts'
import { createHotView } from './hot-view.ts'
import { type Board, type Kind, kindsOf, type Kinds, metricIndex } from './kind.ts'
import type { Log } from './logs.ts'
import { type Counts, countsOf, readCounts, type ReaderDeps } from './reader.ts'
import { createReconciler, type Reconciler } from './reconcile.ts'
import { type Flushed, Recorder, type RecorderOptions } from './recorder.ts'
import { checkSeen, type Seen } from './seen.ts'
import { type Point, readSeries, type SeriesQuery } from './series.ts'
import type { CountRouter } from './store.ts'
import type { Handle } from './subject.ts'
import { createSweeper, type Sweeper } from './sweeper.ts'
import { createUniques, type Uniques } from './unique-store.ts'
import { countOf, hashOfMember, type UniqueCount } from './unique.ts'

export type CountingOptions = {
  readonly kinds: readonly Kind[]
  readonly boards?: readonly Board[]
  /** Where increments wait to be drained; add to the end as traffic grows. One that is to go is drained first. */
  readonly logs: readonly Log[]
  /** The hot view and the best-effort counters: a database that may evict, never one of the logs. */
  readonly hot: RedisPort
  readonly router: CountRouter
  readonly clock: Clock
  readonly random: Random
  /** Keeps the isolate alive for work after the answer. */
  readonly defer: (work: Promise<unknown>) => void
  readonly report: (error: unknown, requestId: string) => void
  /** Tells the drainer that there is work, at most once in `wakeEveryMs`; says nothing about the work. */
  readonly wake?: (call: Call) => Promise<void>
  /** Default: 10,000. */
  readonly wakeEveryMs?: number
  /** How often the logs are drained, in milliseconds: what answers say of their age rests on it. Default: 60,000. */
  readonly drainEveryMs?: number
  /** How old a value in the hot view may become before it is read anew, in milliseconds. Default: 300,000. */
  readonly hotMaxAgeMs?: number
  /** How long a read waits for the hot view before it asks the shards, in milliseconds. Default: 250. */
  readonly hotReadMs?: number
  /** Buckets that a sweep looks at, of 256. Default: 4, so that a sweep a minute comes to each in about an hour. */
  readonly sweepBuckets?: number
} & Pick<RecorderOptions, 'flushSize' | 'flushAgeMs' | 'bufferMax'>

const sweepBucketsDefault = 4

/** What to add, by metric. */
export type Deltas = Readonly<Record<string, number>>

export type Counting = {
  /**
   * Counts in memory; nothing leaves the isolate on the path of the request.
   *
   * @throws UnknownMetricError, InvalidIncrementError, InvalidIdError, WrongModeError, BufferFullError: of what was
   *   refused, nothing was counted.
   */
  increment(kind: string, object: string | Handle, deltas: Deltas): void
  /**
   * Counts in the shard, once for each token, before it returns. For accurate kinds. One round trip.
   *
   * @throws as {@link Counting.increment}, and ExpiredTokenError, CounterOverflowError.
   */
  incrementNow(kind: string, increment: NowIncrement, call: Call): Promise<Counts>
  /** A token for {@link Counting.incrementNow}: good for a day. */
  newToken(): string
  /** Counts `member` at the object once in each period of `periodMs`, or once for ever when that is absent. */
  see(kind: string, seen: Seen): void
  /** Counts a text for a board. */
  hear(board: string, item: string, by?: number): void
  /** Sends all that was counted in memory. One round trip a log, all at once. Never throws. */
  flush(call: Call): Promise<Flushed>
  /** Milliseconds until a flush is due: 0 when it is now, `undefined` when nothing waits. */
  due(): number | undefined
  /**
   * For `waitUntil`: waits until a flush is due and makes it. Of many requests of an isolate one waits, and when it dies
   * the next takes over.
   */
  settle(call: Call): Promise<void>
  /** @see readCounts for what it costs. */
  read(kind: string, id: string, call: Call): Promise<Counts>
  readMany(kind: string, ids: readonly string[], call: Call): Promise<readonly Counts[]>
  unique(
    kind: string,
    of: Omit<Seen, 'member'> & { readonly at?: number },
    call: Call,
  ): Promise<UniqueCount>
  /** The windows of a counter. @see readSeries */
  series(query: SeriesQuery, call: Call): Promise<readonly Point[]>
  /** The heaviest items of a board, of `kind.metric` or of texts, over its latest windows. One round trip. */
  top(
    board: string,
    options: { readonly windows?: number; readonly limit?: number },
    call: Call,
  ): Promise<readonly Ranked[]>
  /** Packs idle rows of a bucket into cold pages. @see freezeBucket */
  freeze(
    kind: string,
    options: FreezeOptions & { readonly bucket: number },
    call: Call,
  ): Promise<number>
  /** Upkeep, for a cron: freezes what is idle, forgets what is past its time. @see createSweeper */
  readonly sweep: Sweeper
  readonly drainer: Drainer
  readonly reconciler: Reconciler
}

export type NowIncrement = { readonly id: string; readonly deltas: Deltas; readonly token: string }
/** `deltas` by the place of their metric, checked as a whole before anything is counted. */
function placed(kind: Kind, deltas: Deltas): readonly (readonly [number, number])[] {
  return Object.entries(deltas).map(([metric, by]) => {
    const index = metricIndex(kind, metric)
    const name = `${kind.name}.${metric}`
    if (!Number.isSafeInteger(by))
      throw new InvalidIncrementError(name, by, 'it is not a whole number below 2^53')
    if (by < 0 && kind.metrics[index]?.signed !== true)
      throw new InvalidIncrementError(name, by, 'it only grows')
    return [index, by] as const
  })
}

type Deps = {
  readonly options: CountingOptions
  readonly kinds: Kinds
  readonly recorder: Recorder
  readonly best: BestEffort
  readonly uniques: Uniques
  readonly reader: ReaderDeps
}

function periodOf(now: number, periodMs = 0): number {
  return periodMs === 0 ? 0 : windowStart(now, periodMs)
}

function writesOf({
  kinds,
  recorder,
  best,
  options,
}: Deps): Pick<Counting, 'increment' | 'see' | 'hear'> {
  const boards = new Map((options.boards ?? []).map((board) => [board.name, board]))
  return {
    increment: (name, object, deltas) => {
      const kind = kinds.get(name)
      const changes = placed(kind, deltas)
      if (kind.mode === 'accurate')
        throw new WrongModeError(name, 'it is accurate: use incrementNow')
      if (kind.mode === 'best-effort') {
        best.count(kind, object, changes)
        return
      }
      const slot = typeof object === 'string' ? slotOfId(object) : object.slot
      recorder.record(slot, (buffer) => buffer.count(kind, object, changes))
    },
    see: (name, { id, metric, member, periodMs = 0 }) => {
      checkSeen(kinds.get(name), { metric, periodMs })
      const period = periodOf(options.clock.now(), periodMs)
      const of = { id, metric: `${name}.${metric}`, period }
      recorder.record(slotOfId(parseId(id)), (buffer) => buffer.see(of, hashOfMember(member)))
    },
    hear: (name, item, by = 1) => {
      const board = boards.get(name)
      if (board === undefined) throw new UnknownMetricError(name)
      if (!Number.isSafeInteger(by) || by < 1)
        throw new InvalidIncrementError(name, by, 'it is not a whole number above 0')
      const start = windowStart(options.clock.now(), board.windowMs)
      recorder.record(slotOfBoard(name), (buffer) => buffer.hear(name, start, { item, by }))
    },
  }
}

function flushesOf({ recorder, best, options }: Deps): Pick<Counting, 'flush' | 'due' | 'settle'> {
  const { clock, report, wake, wakeEveryMs = 10_000 } = options
  let wokenAt = -Infinity
  let waitingUntil = -Infinity
  const flush = async (call: Call): Promise<Flushed> => {
    const sending = best.size === 0 ? undefined : best.flush(call)
    const flushed = await recorder.flush(call)
    await sending?.catch((error: unknown) => report(error, call.requestId))
    for (const failure of flushed.failures) report(failure, call.requestId)
    if (wake !== undefined && flushed.sent > 0 && clock.now() - wokenAt >= wakeEveryMs) {
      wokenAt = clock.now()
      await wake(call).catch((error: unknown) => report(error, call.requestId))
    }
    return flushed
  }
  const due = (): number | undefined =>
    recorder.dueInMs() ?? (best.size > 0 ? recorder.flushAgeMs : undefined)
  return {
    flush,
    due,
    settle: async (call) => {
      const dueMs = due()
      if (dueMs === undefined) return
      if (dueMs > 0) {
        if (clock.now() < waitingUntil) return
        // One more flush age: a request that died while it waited must not stop the others for ever.
        waitingUntil = clock.now() + dueMs + recorder.flushAgeMs
        await sleep(dueMs, clock, call.signal)
        waitingUntil = -Infinity
      }
      await flush(call)
    },
  }
}

/** The width of a board's windows. @throws UnknownMetricError */
function boardWidth({ options, kinds }: Deps, name: string): number {
  const own = options.boards?.find((board) => board.name === name)?.windowMs
  if (own !== undefined) return own
  for (const kind of kinds.all) {
    const metric = kind.metrics.find((one) => boardOf(kind, one.name) === name)
    if (metric?.boardMs !== undefined) return metric.boardMs
  }
  throw new UnknownMetricError(name)
}

function readsOf(deps: Deps): Pick<Counting, 'read' | 'readMany' | 'unique' | 'series' | 'top'> {
  const { kinds, reader, options, uniques } = deps
  const readMany: Counting['readMany'] = (kind, ids, call) =>
    readCounts(reader, { kind: kinds.get(kind), ids }, call)
  return {
    readMany,
    read: async (kind, id, call) => {
      const [counts] = await readMany(kind, [id], call)
      if (counts === undefined) throw new Error('Cannot read a count: there was no answer')
      return counts
    },
    unique: async (name, { id, metric, periodMs, at }, call) => {
      checkSeen(kinds.get(name), { metric })
      const period = periodOf(at ?? options.clock.now(), periodMs)
      return countOf(await uniques.read({ id, metric: `${name}.${metric}`, period }, call))
    },
    series: async (query, call) => {
      const kind = kinds.get(query.kind)
      const { windowsMs = [] } = kind.metrics[metricIndex(kind, query.metric)] ?? {}
      if (!windowsMs.includes(query.widthMs))
        throw new UnknownMetricError(
          `${query.kind}.${query.metric} in windows of ${query.widthMs} ms`,
        )
      return readSeries(options.router, query, call)
    },
    top: async (board, { windows = 1, limit = 10 }, call) => {
      const width = boardWidth(deps, board)
      const last = windowStart(options.clock.now(), width)
      const starts = Array.from({ length: windows }, (_, index) => last - index * width)
      return readBoard(options.router, { board, starts, limit }, call)
    },
  }
}

/**
 * Counters for one isolate, and the means to drain them.
 *
 * @throws RangeError when a kind cannot be one, or an accurate kind has a board; InvalidPlacementError when there is no
 *   log, or two have one name.
 */
export function createCounting(options: CountingOptions): Counting {
  const { router, clock, defer, report } = options
  const { hotMaxAgeMs = 300_000, hotReadMs = 250, drainEveryMs = 60_000 } = options
  const kinds = kindsOf(options.kinds)
  if (
    kinds.all.some(
      ({ mode, metrics }) =>
        mode === 'accurate' && metrics.some(({ boardMs }) => boardMs !== undefined),
    )
  )
    throw new RangeError('Cannot keep a board of an accurate kind: it cannot commit with the count')
  const view = { redis: options.hot, clock, maxAgeMs: hotMaxAgeMs, readMs: hotReadMs }
  const hot = createHotView(view)
  const recorder = new Recorder(options)
  const best = new BestEffort(options.hot, recorder.bufferMax)
  const uniques = createUniques(router)
  const reader = {
    router,
    hot,
    best,
    clock,
    defer,
    report,
    hotMaxAgeMs,
    drainEveryMs,
    flushAgeMs: recorder.flushAgeMs,
  }
  const deps: Deps = { options, kinds, recorder, best, uniques, reader }
  return {
    ...writesOf(deps),
    ...flushesOf(deps),
    ...readsOf(deps),
    newToken: () => recorder.newId(),
    incrementNow: async (name, { id, deltas, token }, call) => {
      const kind = kinds.get(name)
      const changes = placed(kind, deltas)
      if (kind.mode !== 'accurate')
        throw new WrongModeError(name, 'it is not accurate: use increment')
      const list = kind.metrics.map((_, index) =>
        changes.reduce((sum, [at, by]) => (at === index ? sum + by : sum), 0),
      )
      const total = await incrementInShard(
        { router, kinds, clock },
        { kind, id, deltas: list, token },
        call,
      )
      return countsOf(kind, total, 0)
    },
    freeze: (name, { bucket, ...freezing }, call) =>
      freezeBucket(
        { router, clock, hot },
        { kind: kinds.get(name), bucket, options: freezing },
        call,
      ),
    sweep: createSweeper({
      kinds: kinds.all,
      boards: options.boards ?? [],
      router,
      hot,
      clock,
      report,
      buckets: options.sweepBuckets ?? sweepBucketsDefault,
    }),
    drainer: createDrainer({ logs: options.logs, router, kinds, hot, uniques, clock, report }),
    reconciler: createReconciler({ router, clock, kinds }),
  }
}
