import { Fault, type Rows, type SqlValue } from '@stoa/kernel'

import type { Action, BreakClass } from './finding.ts'

/**
 * open: looked at again when it is due. review: waits for a person. proposed: for a second one. repaired: done, to be
 * seen. resolved: seen to be gone. dismissed: two persons let it be, as it was.
 */
export type DiscrepancyState =
  | 'open'
  | 'repairing'
  | 'repaired'
  | 'review'
  | 'proposed'
  | 'approved'
  | 'resolved'
  | 'dismissed'

/** A break, and how far it is on its way to be mended. */
export type Discrepancy = {
  readonly id: string
  readonly comparison: string
  readonly class: BreakClass
  readonly key: string
  readonly state: DiscrepancyState
  readonly action: Action
  readonly amount: number
  /** What the sides said, as JSON. */
  readonly detail: string
  readonly occurrence: number
  readonly version: number
  readonly firstSeenAt: number
  readonly dueAt: number | undefined
  readonly attempts: number
  readonly assignee: string | undefined
  /** What the maker would have done. */
  readonly proposed: Action | 'dismiss' | undefined
  readonly maker: string | undefined
  readonly checker: string | undefined
  readonly note: string | undefined
}

/** The discrepancy is not as its mover knows it: somebody else has moved it. Nothing was written. */
export class StaleDiscrepancyError extends Fault {
  override readonly name = 'StaleDiscrepancyError'
  override readonly code = 'stale_discrepancy'
  override readonly kind = 'aborted'
  constructor(id: string, version: number, options?: ErrorOptions) {
    super(`Cannot change discrepancy "${id}": it is not at version ${version} any more`, options)
  }
}

/** In the order of {@link Discrepancy}. */
export const discrepancyColumns =
  'id, comparison, class, key, state, action, amount, detail, occurrence, version, first_seen_at, due_at, attempts, assignee, proposed, maker, checker, note'

function optional(value: SqlValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Rows of {@link discrepancyColumns}. What the table holds was written by this package. */
export function discrepanciesFrom({ rows }: Rows): readonly Discrepancy[] {
  return rows.map((row) => ({
    id: String(row[0]),
    comparison: String(row[1]),
    class: String(row[2]) as BreakClass,
    key: String(row[3]),
    state: String(row[4]) as DiscrepancyState,
    action: String(row[5]) as Action,
    amount: Number(row[6]),
    detail: String(row[7]),
    occurrence: Number(row[8]),
    version: Number(row[9]),
    firstSeenAt: Number(row[10]),
    dueAt: row[11] === null ? undefined : Number(row[11]),
    attempts: Number(row[12]),
    assignee: optional(row[13]),
    proposed: optional(row[14]) as Discrepancy['proposed'],
    maker: optional(row[15]),
    checker: optional(row[16]),
    note: optional(row[17]),
  }))
}
