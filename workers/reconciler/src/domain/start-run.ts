import type { Call, Clock, Ids } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'
import {
  everything,
  type Finding,
  type Reconciler,
  type Run,
  type Span,
} from '@stoa/reconciliation'

import { UnknownComparisonError } from './desk.ts'
import type { Plan } from './plan.ts'

/** How long the request itself compares before it answers; the rest is the next ticks'. */
const inlineMs = 5_000
/** Findings of a dry run that are shown. */
const shownMax = 100

export type StartDeps = {
  readonly plans: readonly Plan[]
  readonly reconciler: Reconciler
  readonly ids: Ids
  readonly clock: Clock
  /** Remembers which run a request began. @throws KeyReusedError */
  readonly remember: (once: Once, run: string, call: Call) => Promise<Answered<string>>
}

function comparisonOf(plans: readonly Plan[], name: string) {
  const found = plans.find(({ comparison }) => comparison.name === name)
  if (found !== undefined) return found.comparison
  throw new UnknownComparisonError(
    name,
    plans.map(({ comparison }) => comparison.name),
  )
}

/** Begins a run over everything, once for a key, and goes on with it for a moment. */
export async function startRun(
  { plans, reconciler, ids, remember }: StartDeps,
  { once, comparison: name }: { readonly once: Once; readonly comparison: string },
  call: Call,
): Promise<{ readonly run: Run; readonly replayed: boolean }> {
  const comparison = comparisonOf(plans, name)
  const fresh = ids.root([once.principal, once.method, once.route, once.key].join('|'))
  const { reply: id, replayed } = await remember(once, fresh, call)
  return { run: await reconciler.run({ id, comparison, limitMs: inlineMs }, call), replayed }
}

export type Trial = Pick<Run, 'compared' | 'young' | 'found'> & {
  readonly items: readonly Finding[]
}

/** Compares and writes nothing. */
export async function tryRun(
  { plans, reconciler }: Pick<StartDeps, 'plans' | 'reconciler'>,
  { comparison: name, under }: { readonly comparison: string; readonly under: string },
  call: Call,
): Promise<Trial> {
  const comparison = comparisonOf(plans, name)
  const span: Span = under === '' ? everything : { from: under, to: `${under}~` }
  const items: Finding[] = []
  const keep = (finding: Finding) => {
    if (items.length < shownMax) items.push(finding)
  }
  return { ...(await reconciler.dryRun({ comparison, spans: [span] }, keep, call)), items }
}
