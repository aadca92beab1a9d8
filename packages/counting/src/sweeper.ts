import { type Call, type Clock, parseSlot, remainingMs, type Rows, slotText } from '@stoa/kernel'

import { freezePage } from './cold.ts'
import {
  countOld,
  forgetBoard,
  forgetStretch,
  noteTask,
  oldBoardsOf,
  readStretch,
  selectStretch,
  walksOf,
} from './forget.ts'
import type { HotView } from './hot-view.ts'
import type { Board, Kind } from './kind.ts'
import { checkKept, freezeAfterMsDefault } from './retention.ts'
import { byShardOrThrow, type CountRouter, firstSlot } from './store.ts'
import { bucketCount, bucketKey, slotsPerBucket } from './subject.ts'

/** Time that a bucket may take: with less left, the next sweep goes on. */
const leastMs = 5_000
/** Rows of a page that a visit looks at: a page takes in 20,000 objects a month at a visit in three days. */
const rowsMax = 2_000
/** A minute's turn is that of some buckets, the same for all who sweep in it. */
const turnMs = 60_000

export type SweeperOptions = {
  readonly kinds: readonly Kind[]
  readonly boards: readonly Board[]
  readonly router: CountRouter
  readonly hot: HotView
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
  /** Buckets of one sweep. */
  readonly buckets: number
}

export type SweepReport = {
  /** Buckets that were looked at. */
  readonly buckets: number
  /** Objects that went into cold pages. */
  readonly frozen: number
  /** Rows of windows, boards and sketches that were past their time. */
  readonly forgotten: number
}

export type Sweeper = (call: Call) => Promise<SweepReport>

type Freezable = Kind & { readonly pagesPerBucket: number }
type Task = { readonly kind: Freezable; readonly page: number }

function isFreezable(kind: Kind): kind is Freezable {
  return kind.pagesPerBucket !== undefined
}

function taskOf(kind: Kind): string {
  return `freeze.${kind.name}`
}

function selectTask(kind: Kind, bucket: number) {
  return {
    sql: 'SELECT at AS at FROM count_sweep WHERE slot = ? AND task = ?',
    args: [bucketKey(bucket), taskOf(kind)],
  }
}

/** The page after the one that was dealt with last; the first of the bucket behind its last. */
function nextPage(kind: Freezable, bucket: number, rows: Rows | undefined): number {
  const at = rows?.rows[0]?.[0]
  if (typeof at !== 'string') return firstSlot(bucket)
  const next = parseSlot(at) + slotsPerBucket / kind.pagesPerBucket
  return next < firstSlot(bucket + 1) ? next : firstSlot(bucket)
}

async function freezeOne(
  options: SweeperOptions,
  { kind, page }: Task,
  call: Call,
): Promise<number> {
  const madeBefore = options.clock.now() - (kind.freezeAfterMs ?? freezeAfterMsDefault)
  try {
    return await freezePage(options, { kind, page, options: { madeBefore, rowsMax } }, call)
  } catch (error) {
    call.signal.throwIfAborted()
    // A page that cannot be frozen must not stop the others of its bucket: it is tried again in the next round.
    options.report(error, call.requestId)
    return 0
  }
}

/**
 * A step of each task of a bucket. Places are noted behind the work: who dies before that leaves it to be done once
 * more, which changes nothing.
 */
async function sweepBucket(
  options: SweeperOptions,
  bucket: number,
  call: Call,
): Promise<Omit<SweepReport, 'buckets'>> {
  const { kinds, router, clock } = options
  const slotsOf = () => Array.from({ length: slotsPerBucket }, (_, at) => firstSlot(bucket) + at)
  await byShardOrThrow(router, { items: [bucket], slotsOf }, call)
  const key = firstSlot(bucket)
  const freezables = kinds.filter(isFreezable)
  const walks = walksOf(kinds, bucket, clock.now())
  const boards = oldBoardsOf(options, bucket, clock.now())
  const queries = [
    ...freezables.map((kind) => selectTask(kind, bucket)),
    ...walks.map(selectStretch),
    ...boards.map(countOld),
  ]
  if (queries.length === 0) return { frozen: 0, forgotten: 0 }
  const answers = await router.readMany(
    queries.map((statement) => ({ key, statement })),
    call,
  )
  const rest = answers.values()
  const next = () => rest.next().value
  const tasks = freezables.map((kind) => ({ kind, page: nextPage(kind, bucket, next()) }))
  const stretches = walks.map(() => readStretch(next()))
  const olds = boards.map(() => Number(next()?.rows[0]?.[0]))
  let frozen = 0
  for (const task of tasks) frozen += await freezeOne(options, task, call)
  const batch = [
    ...walks.flatMap((walk, at) => {
      const stretch = stretches[at]
      return stretch === undefined ? [] : forgetStretch(walk, stretch)
    }),
    ...boards.flatMap((board, at) => (olds[at] === 0 ? [] : [forgetBoard(board)])),
    ...tasks.map(({ kind, page }) => noteTask(bucket, taskOf(kind), slotText(page))),
  ]
  if (batch.length > 0) await router.writeAll([key], batch, call)
  const forgotten = [...stretches.map(({ old }) => old), ...olds]
  return { frozen, forgotten: forgotten.reduce((sum, old) => sum + old, 0) }
}

/**
 * Upkeep, a little at a time: each sweep takes those buckets whose turn it is, one after the other, a page and a part
 * of each table of each, while the call has time. Any number may run at once, and any may be left out.
 *
 * Costs for each bucket one round trip to look, one for each kind that is frozen and two more where something is, and
 * one to write. Never throws for a bucket: what fails is reported, and comes again with its next turn.
 */
export function createSweeper(options: SweeperOptions): Sweeper {
  const { clock, report, buckets: size } = options
  if (!Number.isSafeInteger(size) || size < 1 || size > bucketCount)
    throw new RangeError(`Cannot sweep ${size} buckets at once: 1 to ${bucketCount}`)
  for (const { name, keptMs } of options.boards) checkKept(name, keptMs)
  return async (call) => {
    const turn = Math.floor(clock.now() / turnMs) * size
    const done = { buckets: 0, frozen: 0, forgotten: 0 }
    for (let at = 0; at < size && remainingMs(call, clock) >= leastMs; at += 1) {
      try {
        const { frozen, forgotten } = await sweepBucket(options, (turn + at) % bucketCount, call)
        done.buckets += 1
        done.frozen += frozen
        done.forgotten += forgotten
      } catch (error) {
        call.signal.throwIfAborted()
        report(error, call.requestId)
      }
    }
    return done
  }
}
