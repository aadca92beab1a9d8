import { type Call, slotOfId } from '@stoa/kernel'

import { windowStart } from './effects.ts'
import { type CountRouter, firstSlot } from './store.ts'
import { bucketOf } from './subject.ts'

export type SeriesQuery = {
  readonly kind: string
  readonly metric: string
  readonly id: string
  /** The width of a window, in milliseconds: one of those that the metric declares. */
  readonly widthMs: number
  /** From the window in which this moment lies, … */
  readonly from: number
  /** … to the one before this moment. */
  readonly to: number
}

/** One tumbling window: what was added in `start <= time < start + width`. */
export type Point = { readonly start: number; readonly n: number }

/** The windows of one counter, in order, those with nothing too. One round trip. */
export async function readSeries(
  router: CountRouter,
  { kind, metric, id, widthMs, from, to }: SeriesQuery,
  call: Call,
): Promise<readonly Point[]> {
  const first = windowStart(from, widthMs)
  const statement = {
    sql: `SELECT start AS start, n AS n FROM count_window
WHERE slot = ? AND subject = ? AND metric = ? AND width = ? AND start >= ? AND start < ?`,
    args: [id.slice(0, 3), id, `${kind}.${metric}`, widthMs, first, to],
  }
  const key = firstSlot(bucketOf(slotOfId(id)))
  const [rows] = await router.readMany([{ key, statement }], call)
  const known = new Map((rows?.rows ?? []).map(([start, n]) => [Number(start), Number(n)]))
  const length = Math.max(0, Math.ceil((to - first) / widthMs))
  return Array.from({ length }, (_, index) => {
    const start = first + index * widthMs
    return { start, n: known.get(start) ?? 0 }
  })
}

/**
 * What was added in the last `spanMs` before `now`, from tumbling windows: the oldest counts by the part of it that lies
 * within the span. At most one window's increments are misjudged.
 */
export function slidingSum(
  points: readonly Point[],
  {
    now,
    spanMs,
    widthMs,
  }: { readonly now: number; readonly spanMs: number; readonly widthMs: number },
): number {
  const from = now - spanMs
  return points.reduce((sum, { start, n }) => {
    const inside = Math.min(start + widthMs, now) - Math.max(start, from)
    const elapsed = Math.min(start + widthMs, now) - start
    return inside <= 0 || elapsed <= 0 ? sum : sum + (n * inside) / elapsed
  }, 0)
}
