import { type Call, type Clock, isFault } from '@stoa/kernel'

import type { BestEffort } from './best-effort.ts'
import { type HotView, publishedOf, type Total, type Totals } from './hot-view.ts'
import type { Kind } from './kind.ts'
import { type CountRouter, readTotals } from './store.ts'

/** What was counted of one object. */
export type Counts = {
  /** By metric. Never below zero. */
  readonly values: Readonly<Record<string, number>>
  /** When this was read from where it is kept, in milliseconds since 1970. */
  readonly asOf: number
  /**
   * The oldest increment that may be missing, in milliseconds, while logs and shards answer: 0 for an accurate kind. What
   * is counted is exact; only what was counted lately may be missing.
   */
  readonly staleMsMax: number
  /** Metrics that are full: they stay at 2^53 - 1. */
  readonly saturated: readonly string[]
}

export type ReaderDeps = {
  readonly router: CountRouter
  readonly hot: HotView
  readonly best: BestEffort
  readonly clock: Clock
  readonly flushAgeMs: number
  readonly drainEveryMs: number
  readonly hotMaxAgeMs: number
  readonly defer: (work: Promise<unknown>) => void
  readonly report: (error: unknown, requestId: string) => void
}

export function countsOf(kind: Kind, { values, at }: Total, staleMsMax: number): Counts {
  const named = kind.metrics.map(({ name }, index) => [name, values[index] ?? 0] as const)
  return {
    values: Object.fromEntries(named.map(([name, value]) => [name, Math.max(0, value)])),
    asOf: at,
    staleMsMax,
    saturated: named.flatMap(([name, value]) =>
      Math.abs(value) >= Number.MAX_SAFE_INTEGER ? [name] : [],
    ),
  }
}

/** From Redis where it is fresh, else from the shards; and what came from there is published for the next reader. */
async function readEventual(
  deps: ReaderDeps,
  { kind, ids }: { readonly kind: Kind; readonly ids: readonly string[] },
  call: Call,
): Promise<{ readonly hot: Totals; readonly read: Totals }> {
  const { hot: view, report } = deps
  const hot: Totals = await view.get({ kind, ids }, call).catch((error: unknown) => {
    if (!isFault(error)) throw error
    report(error, call.requestId)
    return new Map<string, Total>()
  })
  const missing = ids.filter((id) => !hot.has(id))
  if (missing.length === 0) return { hot, read: new Map() }
  const read = await readTotals(deps, { kind, ids: missing }, call)
  const publishing = view
    .publish(kind, new Map([...read].map(([id, total]) => [id, publishedOf(total)])), call)
    .catch((error: unknown) => report(error, call.requestId))
  deps.defer(publishing)
  return { hot, read }
}

/**
 * The counts of `ids`, in their order; zeros for what was never counted.
 *
 * Costs: best-effort and accurate one round trip; eventual one when all are in the hot view, else two.
 */
export async function readCounts(
  deps: ReaderDeps,
  { kind, ids }: { readonly kind: Kind; readonly ids: readonly string[] },
  call: Call,
): Promise<readonly Counts[]> {
  const { flushAgeMs, drainEveryMs, hotMaxAgeMs, clock } = deps
  if (ids.length === 0) return []
  const zero = { values: kind.metrics.map(() => 0), seq: 0, at: clock.now() }
  if (kind.mode === 'best-effort') {
    const lists = await deps.best.read(kind, ids, call)
    return lists.map((values) => countsOf(kind, { ...zero, values }, flushAgeMs))
  }
  if (kind.mode === 'accurate') {
    const totals = await readTotals(deps, { kind, ids }, call)
    return ids.map((id) => countsOf(kind, totals.get(id) ?? zero, 0))
  }
  const drained = flushAgeMs + drainEveryMs
  const { hot, read } = await readEventual(deps, { kind, ids }, call)
  return ids.map((id) => {
    const total = hot.get(id)
    if (total !== undefined) return countsOf(kind, total, drained + hotMaxAgeMs)
    return countsOf(kind, read.get(id) ?? zero, drained)
  })
}
