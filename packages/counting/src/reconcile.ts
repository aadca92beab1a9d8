import { type Call, type Clock, slotOfId, SqlConstraintError, type Statement } from '@stoa/kernel'

import { type Kind, type Kinds, metricIndex } from './kind.ts'
import { addDeltas, gateBucket } from './statements.ts'
import { type CountRouter, firstSlot, readTotals } from './store.ts'
import { bucketKey, bucketOf } from './subject.ts'

/** How many edges an object truly has: the rows of its likes, counted where they are kept. */
export type EdgeCount = { readonly id: string; readonly edges: number }

export type Drift = {
  readonly id: string
  readonly edges: number
  readonly total: number
  /** `seen`: it differs, and may still be on its way. `repaired`: the counter was set right now. */
  readonly state: 'seen' | 'repaired'
}

export type ReconcileOptions = {
  readonly kind: string
  readonly metric: string
  /** How long a difference must stay as it is, in milliseconds: longer than an increment takes from buffer to row. */
  readonly settleMs: number
}

/** Sets counters right by the edges they count. */
export type Reconciler = {
  /**
   * Compares, and repairs what was seen to differ before, at least `settleMs` ago, with the same edges and the same total
   * as now. A counter that changes between read and repair is left for the next time. Two round trips, and one more for
   * each counter that differs.
   */
  reconcile(
    counts: readonly EdgeCount[],
    options: ReconcileOptions,
    call: Call,
  ): Promise<readonly Drift[]>
}

type Found = EdgeCount & {
  readonly total: number
  readonly seq: number
  readonly seenAt: number | undefined
}

type Deps = { readonly router: CountRouter; readonly clock: Clock; readonly kinds: Kinds }

async function compare(
  { router, clock }: Deps,
  {
    kind,
    metric,
    counts,
  }: { readonly kind: Kind; readonly metric: string; readonly counts: readonly EdgeCount[] },
  call: Call,
): Promise<readonly Found[]> {
  const totals = await readTotals(
    { router, clock },
    { kind, ids: counts.map(({ id }) => id) },
    call,
  )
  const index = metricIndex(kind, metric)
  const queries = counts.map(({ id }) => ({
    key: firstSlot(bucketOf(slotOfId(id))),
    statement: {
      sql: `SELECT edges AS edges, total AS total, seen_at AS seen_at FROM count_drift
WHERE slot = ? AND subject = ? AND metric = ?`,
      args: [id.slice(0, 3), id, `${kind.name}.${metric}`],
    },
  }))
  const answers = await router.readMany(queries, call)
  return counts.map(({ id, edges }, at) => {
    const total = totals.get(id)
    const value = total?.values[index] ?? 0
    const [row] = answers[at]?.rows ?? []
    const isSame = row !== undefined && row[0] === edges && row[1] === value
    return {
      id,
      edges,
      total: value,
      seq: total?.seq ?? 0,
      seenAt: isSame ? Number(row[2]) : undefined,
    }
  })
}

function noteDrift({ id, edges, total }: Found, metric: string, now: number): Statement {
  return {
    sql: `INSERT INTO count_drift (slot, subject, metric, edges, total, seen_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (slot, subject, metric) DO UPDATE
SET edges = excluded.edges, total = excluded.total, seen_at = excluded.seen_at`,
    args: [id.slice(0, 3), id, metric, edges, total, now],
  }
}

function repair(
  { id, edges, total, seq }: Found,
  kind: Kind,
  metric: string,
): readonly Statement[] {
  const at = metricIndex(kind, metric)
  const deltas = kind.metrics.map((_, index) => (index === at ? edges - total : 0))
  return [
    gateBucket(bucketKey(bucketOf(slotOfId(id))), seq),
    ...addDeltas(kind, new Map([[id, deltas]])),
    {
      sql: 'DELETE FROM count_drift WHERE slot = ? AND subject = ? AND metric = ?',
      args: [id.slice(0, 3), id, `${kind.name}.${metric}`],
    },
  ]
}

export function createReconciler(deps: Deps): Reconciler {
  return {
    reconcile: async (counts, { kind: name, metric, settleMs }, call) => {
      const kind = deps.kinds.get(name)
      const found = await compare(deps, { kind, metric, counts }, call)
      const now = deps.clock.now()
      const drifts: Drift[] = []
      for (const one of found) {
        if (one.edges === one.total) continue
        const isDue = one.seenAt !== undefined && now - one.seenAt >= settleMs
        const slot = firstSlot(bucketOf(slotOfId(one.id)))
        if (isDue) {
          const statements = repair(one, kind, metric)
          const done = await deps.router.writeAll([slot], statements, call).then(
            () => true,
            (error: unknown) => {
              if (error instanceof SqlConstraintError && error.type === 'not_null') return false
              throw error
            },
          )
          drifts.push({
            id: one.id,
            edges: one.edges,
            total: one.total,
            state: done ? 'repaired' : 'seen',
          })
          continue
        }
        if (one.seenAt === undefined)
          await deps.router.writeAll([slot], [noteDrift(one, `${name}.${metric}`, now)], call)
        drifts.push({ id: one.id, edges: one.edges, total: one.total, state: 'seen' })
      }
      return drifts
    },
  }
}
