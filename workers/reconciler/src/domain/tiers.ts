import type { Call, Clock } from '@stoa/kernel'
import { prefixOfText } from '@stoa/kernel'
import {
  type Comparison,
  everything,
  type Reconciler,
  type Run,
  type Span,
} from '@stoa/reconciliation'

import { dayOf, statementDays } from './money.ts'
import type { Change, Plan } from './plan.ts'

const [minuteMs, hourMs] = [60_000, 3_600_000]
/** A saga that has ended is looked at from one minute after its end, twice. */
const endedFromMs = 4 * minuteMs
const endedToMs = minuteMs
/** An hour is looked at again with the next one: what was under way then has arrived by now. */
const hourlyFromMs = 2 * hourMs
/** A day begins to be compared when the statement of the day before is there. */
const dailyAtMs = 9_000_000
/** More spans than these cost more round trips than everything does. */
const spansMax = 200

export type RunStore = {
  /** Which of these runs are finished. One round trip to each shard touched. */
  finished(ids: readonly string[], call: Call): Promise<ReadonlySet<string>>
  /** Runs that nobody goes on with since `before`, oldest first. */
  abandoned(before: number, call: Call): Promise<readonly Pick<Run, 'id' | 'comparison'>[]>
}

export type TierDeps = {
  readonly plans: readonly Plan[]
  readonly reconciler: Reconciler
  readonly runs: RunStore
  /** What happened in a keyspace between two times. */
  readonly changes: (
    keyspace: string,
    window: { readonly from: number; readonly to: number; readonly types: readonly string[] },
    call: Call,
  ) => Promise<readonly Change[]>
  /** Where the statement and the ledger differ on a day. */
  readonly differing: (day: number, call: Call) => Promise<readonly Span[]>
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
}

/** A run that is due. Its id is made of what it is, so that it is the same run on every tick until it has finished. */
type Job = {
  readonly id: string
  readonly comparison: Comparison
  /** Asked when the run begins. */
  readonly spansOf: (call: Call) => Promise<readonly Span[]>
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** An id that is the same whenever it is made of the same text. */
export async function idOfText(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  const tail = Array.from(new Uint8Array(bytes, 0, 15), (byte) => alphabet[byte & 31]).join('')
  return prefixOfText(text) + tail
}

/** All keys that begin with `text`. */
function spanUnder(text: string): Span {
  return { from: text, to: `${text}~` }
}

/** Ascending and apart; everything, where there are too many. */
export function spansOfKeys(keys: readonly string[]): readonly Span[] {
  const apart: string[] = []
  for (const key of [...new Set(keys)].toSorted()) {
    const last = apart.at(-1)
    // What begins with the one before lies in its span.
    if (last === undefined || !key.startsWith(last)) apart.push(key)
  }
  return apart.length > spansMax ? [everything] : apart.map(spanUnder)
}

/** Ascending and apart, of spans that may overlap. */
export function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: { from: string; to: string }[] = []
  for (const { from, to } of spans.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last.to) last.to = to > last.to ? to : last.to
    else merged.push({ from, to })
  }
  return merged
}

/** What an order says when a saga of its has decided. */
export const endedTypes = ['order.confirmed', 'order.rejected', 'order.cancelled'] as const

/** Orders whose saga has ended a moment ago: is what it decided what is there? */
async function endedJobs(deps: TierDeps, call: Call): Promise<readonly Job[]> {
  const now = deps.clock.now()
  const ended = deps.plans.filter(({ isOfEnded }) => isOfEnded)
  const window = {
    from: now - endedFromMs,
    to: now - endedToMs,
    types: endedTypes,
  }
  const changes = await deps.changes('orders', window, call)
  if (changes.length === 0) return []
  const spans = spansOfKeys(changes.map(({ aggregate }) => aggregate))
  const minute = Math.floor(now / minuteMs)
  return Promise.all(
    ended.map(async ({ comparison }) => ({
      id: await idOfText(`ended|${comparison.name}|${minute}`),
      comparison,
      spansOf: async () => spans,
    })),
  )
}

/** What has changed in the last hours, and samples. */
async function hourlyJobs(deps: TierDeps): Promise<readonly Job[]> {
  const hour = Math.floor(deps.clock.now() / hourMs)
  const to = hour * hourMs
  const jobs = deps.plans.flatMap(({ comparison, changes, isSampled }) => {
    if (isSampled === true) return [{ comparison, spansOf: async () => [everything] }]
    if (changes === undefined) return []
    const { keyspace, types, keysOf } = changes
    const spansOf = async (call: Call) => {
      const found = await deps.changes(keyspace, { from: to - hourlyFromMs, to, types }, call)
      return spansOfKeys(found.flatMap(keysOf))
    }
    return [{ comparison, spansOf }]
  })
  return Promise.all(
    jobs.map(async (job) => ({
      ...job,
      id: await idOfText(`hourly|${job.comparison.name}|${hour}`),
    })),
  )
}

/** Everything, once a day; of the statement what its digests say. */
async function dailyJobs(deps: TierDeps): Promise<readonly Job[]> {
  const day = dayOf(deps.clock.now() - dailyAtMs)
  const daily = deps.plans.filter(({ isSampled }) => isSampled !== true)
  return Promise.all(
    daily.map(async ({ comparison }) => ({
      id: await idOfText(`daily|${comparison.name}|${day}`),
      comparison,
      spansOf: async (call: Call) => {
        if (comparison.name !== 'statement') return [everything]
        const days = await Promise.all(statementDays(day).map((each) => deps.differing(each, call)))
        return mergeSpans(days.flat())
      },
    })),
  )
}

/** Runs that somebody has begun and nobody goes on with; those of a plan that there is no more are left. */
async function abandonedJobs(deps: TierDeps, call: Call): Promise<readonly Job[]> {
  const found = await deps.runs.abandoned(deps.clock.now() - minuteMs, call)
  return found.flatMap(({ id, comparison: name }) => {
    const comparison = deps.plans.find((plan) => plan.comparison.name === name)?.comparison
    return comparison === undefined ? [] : [{ id, comparison, spansOf: async () => [everything] }]
  })
}

async function runJob(
  deps: TierDeps,
  { job, until }: { readonly job: Job; readonly until: number },
  call: Call,
) {
  const { id, comparison, spansOf } = job
  const spans = await spansOf(call)
  const limitMs = Math.max(0, until - deps.clock.now())
  return deps.reconciler.run({ id, comparison, spans, limitMs }, call)
}

/**
 * Begins and goes on with all runs that are due, until `until`: sagas that ended, what was left half-way, the last hours,
 * the day. A run that fails is reported and stops no other. Answers how many finished.
 */
export async function runTiers(deps: TierDeps, until: number, call: Call): Promise<number> {
  const tiers = [endedJobs, abandonedJobs, hourlyJobs, dailyJobs] as const
  let finished = 0
  for (const tier of tiers) {
    const jobs = await guarded(deps, call, () => tier(deps, call))
    const done = await guarded(deps, call, () =>
      deps.runs.finished(
        (jobs ?? []).map(({ id }) => id),
        call,
      ),
    )
    for (const job of (jobs ?? []).filter(({ id }) => done?.has(id) !== true)) {
      if (deps.clock.now() >= until) return finished
      const run = await guarded(deps, call, () => runJob(deps, { job, until }, call))
      if (run?.state === 'finished') finished += 1
    }
  }
  return finished
}

async function guarded<T>(
  { report }: Pick<TierDeps, 'report'>,
  call: Call,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    call.signal.throwIfAborted()
    report(error, call.requestId)
    return undefined
  }
}
