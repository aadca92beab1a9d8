import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  isFault,
  SqlConstraintError,
} from '@stoa/kernel'
import { compareValues, type Router } from '@stoa/sharding'

import { type Comparison, type Judged, judgeSpan } from './comparison.ts'
import { recordFindings } from './discrepancy-rows.ts'
import { everything, type Span } from './entry.ts'
import type { Finding } from './finding.ts'
import { insertRun, type Run, runsFrom, selectRun, StaleRunError, updateRun } from './run-rows.ts'
import { lookAt, type Look } from './watermark.ts'

/** Keys between two checkpoints, and findings after which one comes sooner: what a run that dies does again. */
const checkpointKeys = 10_000
const checkpointFindings = 500

export type RunOrder = {
  /** Names the run: the same again goes on with it, and is its answer when it has finished. */
  readonly id: string
  readonly comparison: Comparison
  /** What is compared, ascending and apart; all keys if absent. @see differingSpans */
  readonly spans?: readonly Span[]
  /** Stops at the first checkpoint after so long, to be called again: an invocation must end. */
  readonly limitMs?: number
  onProgress?(run: Run): void
}

export type Reconciler = {
  /**
   * Compares, and records each break once. Begins, goes on, or answers what is finished. Two round trips and one each
   * 10,000 keys, beside what the sides cost and one for each shard that takes findings.
   *
   * @throws StaleRunError when another runner has gone on with it; UnsortedSideError.
   */
  run(order: RunOrder, call: Call): Promise<Run>
  /** Compares and writes nothing: every finding goes to `onFinding`. */
  dryRun(
    order: Pick<RunOrder, 'comparison' | 'spans'>,
    onFinding: (finding: Finding) => void,
    call: Call,
  ): Promise<Pick<Run, 'compared' | 'young' | 'found'>>
}

type Totals = Pick<Run, 'compared' | 'young' | 'found'>

function add(totals: Totals, { compared, young, findings }: Judged): Totals {
  const found: Record<string, number> = { ...totals.found }
  for (const { class: name } of findings) found[name] = (found[name] ?? 0) + 1
  return {
    compared: totals.compared + compared,
    young: totals.young + young,
    found,
  }
}

/** What of `span` lies behind `cursor`, the last key that is done. */
function restOf({ from, to }: Span, cursor: string | undefined): Span | undefined {
  if (cursor === undefined || compareValues(cursor, from) < 0) return { from, to }
  const next = `${cursor}\0`
  return compareValues(next, to) < 0 ? { from: next, to } : undefined
}

async function* judgeSpans(
  { comparison, spans = [everything] }: Pick<RunOrder, 'comparison' | 'spans'>,
  { cursor, look }: { readonly cursor: string | undefined; readonly look: Look },
  call: Call,
): AsyncGenerator<Judged> {
  for (const each of spans) {
    const span = restOf(each, cursor)
    if (span !== undefined) yield* judgeSpan(comparison, { span, look }, call)
  }
}

type Deps = {
  readonly keyspace: Pick<Router, 'read' | 'write' | 'writeAll' | 'groups'>
  readonly clock: Clock
}

class Runner implements Reconciler {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async run(order: RunOrder, call: Call): Promise<Run> {
    const { clock } = this.#deps
    const begun = await this.#begin(order, call)
    if (begun.state === 'finished') return begun
    const startedAt = clock.now()
    const look = await lookAt(order.comparison, startedAt, call)
    const seen = { comparison: order.comparison.name, at: startedAt, actor: `run ${order.id}` }
    let [run, pending, keys]: [Run, readonly Finding[], number] = [begun, [], 0]
    const checkpoint = async (state: Run['state']): Promise<void> => {
      // First the findings, then how far we are: a run that dies between finds them again, and that changes nothing.
      await recordFindings(this.#deps.keyspace, [pending, seen], call)
      const finishedAt = state === 'finished' ? clock.now() : undefined
      run = await this.#save({ ...run, state, finishedAt }, call)
      pending = []
      keys = 0
      order.onProgress?.(run)
    }
    for await (const part of judgeSpans(order, { cursor: run.cursor, look }, call)) {
      run = { ...run, ...add(run, part), cursor: part.lastKey }
      pending = [...pending, ...part.findings]
      keys += part.compared + part.young
      if (keys < checkpointKeys && pending.length < checkpointFindings) continue
      await checkpoint('running')
      if (clock.now() - startedAt >= (order.limitMs ?? Infinity)) return run
    }
    await checkpoint('finished')
    return run
  }

  async dryRun(
    order: Pick<RunOrder, 'comparison' | 'spans'>,
    onFinding: (finding: Finding) => void,
    call: Call,
  ): Promise<Totals> {
    const look = await lookAt(order.comparison, this.#deps.clock.now(), call)
    let totals: Totals = { compared: 0, young: 0, found: {} }
    for await (const part of judgeSpans(order, { cursor: undefined, look }, call)) {
      totals = add(totals, part)
      part.findings.forEach(onFinding)
    }
    return totals
  }

  async #begin({ id, comparison }: RunOrder, call: Call): Promise<Run> {
    const { keyspace, clock } = this.#deps
    const statements = [insertRun(id, comparison.name, clock.now()), selectRun(id)]
    const answers = await keyspace.write(id, statements, call)
    const [run] = answers[1] === undefined ? [] : runsFrom(answers[1])
    if (run === undefined || run.comparison !== comparison.name) throw new StaleRunError(id)
    return run
  }

  /** A checkpoint whose reply was lost is sent again: refused, it may be ours, and its row says how far it is. */
  async #save(run: Run, call: Call): Promise<Run> {
    const { keyspace, clock } = this.#deps
    const next = { ...run, version: run.version + 1 }
    const send = () => keyspace.write(run.id, [updateRun(run, clock.now())], call)
    let lost: AmbiguousWriteError | undefined
    try {
      await send().catch((error: unknown) => {
        if (!(error instanceof AmbiguousWriteError)) throw error
        lost = error
        return send()
      })
      return next
    } catch (error) {
      if (!isStale(error)) throw lost !== undefined && isFault(error) ? lost : error
      const stale = new StaleRunError(run.id, { cause: error })
      if (lost === undefined) throw stale
      const [found] = runsFrom(await keyspace.read(run.id, selectRun(run.id), call))
      if (found?.version !== next.version || found.cursor !== next.cursor) throw stale
      return next
    }
  }
}

function isStale(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.constraint === 'reconciliation_run.state'
}

/** Runs comparisons, and keeps their runs and breaks in a keyspace with the tables of `reconciliationDdl`. */
export function createReconciler(deps: Deps): Reconciler {
  return new Runner(deps)
}
