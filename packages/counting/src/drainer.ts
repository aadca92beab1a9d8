import { type Call, type Clock, type RedisReply, slotOfText } from '@stoa/kernel'

import { applyParts, type Outcome } from './apply.ts'
import { thawMarked } from './cold.ts'
import { type Part, partsOf, seenOf } from './effects.ts'
import { SplitBucketError } from './faults.ts'
import { decodeFlush, type Flush, flushTime } from './flush.ts'
import { type HotView, type Published, publishedOf } from './hot-view.ts'
import type { Kind, Kinds } from './kind.ts'
import { type Log, logKey } from './logs.ts'
import { acceptMs } from './retention.ts'
import { insertDead } from './statements.ts'
import { byShard, type CountRouter, firstSlot, readTotals } from './store.ts'
import { bucketOf } from './subject.ts'
import type { Uniques } from './unique-store.ts'

/** Entries of a log that are applied together. */
const entriesAtOnce = 100
/** Characters of the flushes of one batch: some 50,000 objects, whose rows are 3 MB of JSON, and their sums one. */
const batchCharsMax = 2_000_000
/** Rounds of one drain of one log: a busy log must not starve the others of an invocation. */
const roundsMax = 50
/** Batches on their way at once: six requests of a Worker may wait. */
const batchesAtOnce = 5
/** Batches of one shard among them: the next is being made while the last is being written. */
const batchesPerShard = 2

export type DrainerOptions = {
  /** Every log that may hold entries; also one that takes no more. */
  readonly logs: readonly Log[]
  readonly router: CountRouter
  readonly kinds: Kinds
  readonly hot: HotView
  readonly uniques: Uniques
  readonly clock: Clock
  /** Hears of what failed and stays in its log. */
  readonly report: (error: unknown, requestId: string) => void
}

export type DrainReport = {
  /** Entries that were read. */
  readonly entries: number
  /** Entries that are done and were deleted: applied now, applied before, or kept aside. */
  readonly done: number
  /** Parts of flushes that had been applied before: what deduplication saved. */
  readonly repeated: number
  /** Flushes kept aside in `count_dead`. */
  readonly dead: number
  /** True when a log still holds entries that nobody has looked at. */
  readonly hasMore: boolean
}

type Entry = { readonly at: string; readonly id: string; readonly payload: string }
type Live = { readonly flush: Flush; readonly parts: readonly Part[] }
type Read = { readonly entry: Entry } & (Live | { readonly dead: string })

function entriesOf(reply: RedisReply): readonly Entry[] {
  if (!Array.isArray(reply)) return []
  return reply.flatMap((item: RedisReply) => {
    if (!Array.isArray(item)) return []
    const [at, fields] = item as readonly RedisReply[]
    const list = Array.isArray(fields) ? (fields as readonly RedisReply[]).map(String) : []
    const field = (name: string) =>
      list[list.findIndex((one, index) => index % 2 === 0 && one === name) + 1]
    const id = list.includes('f') ? field('f') : undefined
    return [
      {
        at: String(at),
        id: id ?? String(at),
        payload: (list.includes('d') ? field('d') : undefined) ?? '',
      },
    ]
  })
}

function slotsOf({ slots }: Part): readonly number[] {
  return [...slots]
}

/** Flushes in groups whose payloads fit in one batch. */
function inBatches(
  reads: readonly (Live & { readonly entry: Entry })[],
): readonly (readonly Live[])[] {
  const batches: Live[][] = []
  let room = 0
  for (const read of reads) {
    room -= read.entry.payload.length
    if (room < 0) {
      batches.push([])
      room = batchCharsMax - read.entry.payload.length
    }
    batches.at(-1)?.push(read)
  }
  return batches
}

/** One pass over some entries of a log. */
class Round {
  readonly #options: DrainerOptions
  readonly #call: Call
  /** Flushes of which something could not be written: their entries stay. */
  readonly #stuck = new Set<string>()
  repeated = 0
  dead = 0

  constructor(options: DrainerOptions, call: Call) {
    this.#options = options
    this.#call = call
  }

  #fail(error: unknown, flushes: Iterable<string>): void {
    for (const id of flushes) this.#stuck.add(id)
    this.#options.report(error, this.#call.requestId)
  }

  #read(entry: Entry): Read {
    const { clock, kinds } = this.#options
    const flush = decodeFlush(entry.id, entry.payload)
    if ('unreadable' in flush) return { entry, dead: flush.unreadable }
    const age = clock.now() - (flushTime(flush.id) ?? 0)
    if (age > acceptMs) return { entry, dead: 'it is too old' }
    const parts = partsOf(flush, kinds)
    return 'reason' in parts ? { entry, dead: parts.reason } : { entry, flush, parts }
  }

  async #bury(reads: readonly Read[]): Promise<void> {
    const { router, clock } = this.#options
    for (const read of reads) {
      if (!('dead' in read)) continue
      const { entry, dead: reason } = read
      const bucket = bucketOf(slotOfText(entry.id))
      const row = insertDead({ ...entry, reason }, bucket, clock.now())
      try {
        await router.writeAll([firstSlot(bucket)], [row], this.#call)
        this.dead += 1
      } catch (error) {
        this.#fail(error, [entry.id])
      }
    }
  }

  async #see(flushes: readonly Flush[]): Promise<void> {
    const withSeen = flushes.filter(({ seen }) => seen.length > 0)
    if (withSeen.length === 0) return
    try {
      await this.#options.uniques.merge(seenOf(withSeen), this.#call)
    } catch (error) {
      this.#fail(
        error,
        withSeen.map(({ id }) => id),
      )
    }
  }

  /** The parts of some flushes, those of each shard together. */
  async #grouped(lives: readonly Live[]): Promise<readonly (readonly Part[])[]> {
    const items = lives.flatMap(({ parts }) => parts)
    try {
      const { groups, split } = await byShard(this.#options.router, { items, slotsOf }, this.#call)
      for (const part of split) this.#fail(new SplitBucketError(part.bucket), [part.flush])
      return groups
    } catch (error) {
      this.#fail(
        error,
        lives.map(({ flush }) => flush.id),
      )
      return []
    }
  }

  async #apply(group: readonly Part[]): Promise<void> {
    try {
      const outcome = await applyParts(this.#options, group, this.#call)
      this.repeated += outcome.known.length
      await this.#publish(outcome)
    } catch (error) {
      this.#fail(
        error,
        group.map(({ flush }) => flush),
      )
    }
  }

  /** One batch is made and another published while a third is being written. */
  async #applyAll(lives: readonly (Live & { readonly entry: Entry })[]): Promise<void> {
    const batches: (readonly (readonly Part[])[])[] = []
    for (const some of inBatches(lives)) batches.push(await this.#grouped(some))
    const shards = Math.max(0, ...batches.map(({ length }) => length))
    const waiting = batches.flat().values()
    const lane = async () => {
      for (const group of waiting) await this.#apply(group)
    }
    const lanes = Math.min(batchesAtOnce, batchesPerShard * shards)
    await Promise.all(Array.from({ length: lanes }, lane))
  }

  /** The totals of what the outcome touched: as the batch left them, or read again where that does not say. */
  async #totalsOf(kind: Kind, outcome: Outcome): Promise<ReadonlyMap<string, Published>> {
    const marked = outcome.applied.thawed.get(kind.name) ?? []
    if (marked.length > 0) await thawMarked(this.#options, { kind, ids: marked }, this.#call)
    const again = new Set([...marked, ...knownIds(outcome.known, kind.name)])
    const totals = new Map<string, Published>()
    const { at } = outcome
    for (const [id, text] of outcome.applied.sums.get(kind.name) ?? []) {
      const seq = outcome.seqOf(id)
      if (seq !== undefined && !again.has(id)) totals.set(id, { text, seq, at })
    }
    if (again.size === 0) return totals
    const read = await readTotals(this.#options, { kind, ids: [...again] }, this.#call)
    for (const [id, total] of read) totals.set(id, publishedOf(total))
    return totals
  }

  /** What is in the database is safe: whatever fails here is healed by the reads. */
  async #publish(outcome: Outcome): Promise<void> {
    for (const kind of this.#options.kinds.all) {
      try {
        const totals = await this.#totalsOf(kind, outcome)
        await this.#options.hot.publish(kind, totals, this.#call)
      } catch (error) {
        this.#options.report(error, this.#call.requestId)
      }
    }
  }

  /** The places in the log of the entries that are done. */
  async run(entries: readonly Entry[]): Promise<readonly string[]> {
    const reads = entries.map((entry) => this.#read(entry))
    await this.#bury(reads)
    const flushes = new Map(
      reads.flatMap((read) => ('flush' in read ? [[read.flush.id, read] as const] : [])),
    )
    await this.#see([...flushes.values()].map(({ flush }) => flush))
    await this.#applyAll([...flushes.values()])
    return entries.filter(({ id }) => !this.#stuck.has(id)).map(({ at }) => at)
  }
}

function knownIds(parts: readonly Part[], kind: string): readonly string[] {
  return parts.flatMap(({ counts }) =>
    counts.flatMap((delta) => (delta.kind === kind ? [delta.id] : [])),
  )
}

/** Moves what waits in the logs into the databases. Any number may run at once, over the same logs. */
export type Drainer = {
  /**
   * Drains every log. What cannot be written stays in its log and is reported; it stops nothing else.
   *
   * Costs, for each 100 entries of a log: two Redis round trips (XRANGE, XDEL), one batch in each shard touched and one
   * publication, in sequence; logs are drained at once.
   *
   * @throws when a log itself cannot be read, after the others were drained.
   */
  drain(call: Call): Promise<DrainReport>
}

async function readLog({ redis }: Log, from: string, call: Call): Promise<readonly Entry[]> {
  const command = ['XRANGE', logKey, from, '+', 'COUNT', entriesAtOnce]
  return entriesOf(await redis.run(command, call, { idempotent: true }))
}

export function createDrainer(options: DrainerOptions): Drainer {
  const drainLog = async (log: Log, call: Call): Promise<DrainReport> => {
    const { redis } = log
    const report = { entries: 0, done: 0, repeated: 0, dead: 0, hasMore: false }
    let reading = readLog(log, '-', call)
    for (let round = 1; round <= roundsMax; round += 1) {
      const entries = await reading
      report.hasMore = entries.length === entriesAtOnce
      if (entries.length === 0) break
      if (report.hasMore && round < roundsMax) {
        // Past what is stuck: one database that is down must not hide the increments of the others.
        reading = readLog(log, `(${entries.at(-1)?.at ?? ''}`, call)
        // It is awaited in the next round; until then its failure must not count as unhandled.
        reading.catch(() => undefined)
      }
      const pass = new Round(options, call)
      const done = await pass.run(entries)
      // Only these: whatever else came meanwhile has not been applied.
      if (done.length > 0) await redis.run(['XDEL', logKey, ...done], call, { idempotent: true })
      report.entries += entries.length
      report.done += done.length
      report.repeated += pass.repeated
      report.dead += pass.dead
      if (!report.hasMore) break
    }
    return report
  }
  return {
    drain: async (call) => {
      const ends = await Promise.allSettled(options.logs.map((log) => drainLog(log, call)))
      const failed = ends.find((end) => end.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      const reports = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
      const sum = (of: (report: DrainReport) => number) =>
        reports.reduce((total, report) => total + of(report), 0)
      return {
        entries: sum(({ entries }) => entries),
        done: sum(({ done }) => done),
        repeated: sum(({ repeated }) => repeated),
        dead: sum(({ dead }) => dead),
        hasMore: reports.some(({ hasMore }) => hasMore),
      }
    },
  }
}
