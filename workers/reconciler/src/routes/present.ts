import { typedId } from '@stoa/kernel'
import type { Discrepancy, JournalEntry, Run } from '@stoa/reconciliation'

function momentOf(at: number): string {
  return new Date(at).toISOString()
}

export function presentRun({ id, startedAt, finishedAt, ...run }: Run) {
  const { comparison, state, compared, young, found } = run
  return {
    id: typedId('rcn', id),
    comparison,
    state,
    compared,
    young,
    found: { ...found },
    startedAt: momentOf(startedAt),
    finishedAt: finishedAt === undefined ? null : momentOf(finishedAt),
  }
}

/** What sides said, as the reconciler wrote it. */
export function readDetail(detail: string): Record<string, unknown> {
  return JSON.parse(detail) as Record<string, unknown>
}

export function presentDiscrepancy(row: Discrepancy) {
  return {
    id: typedId('dsc', row.id),
    comparison: row.comparison,
    class: row.class,
    key: row.key,
    state: row.state,
    action: row.action,
    amountMinor: row.amount,
    detail: readDetail(row.detail),
    occurrence: row.occurrence,
    version: row.version,
    firstSeenAt: momentOf(row.firstSeenAt),
    dueAt: row.dueAt === undefined ? null : momentOf(row.dueAt),
    assignee: row.assignee ?? null,
    proposed: row.proposed ?? null,
    maker: row.maker ?? null,
    checker: row.checker ?? null,
    note: row.note ?? null,
  }
}

export function presentEntry({ at, amount, note, ...entry }: JournalEntry) {
  return { ...entry, amountMinor: amount, note: note ?? null, at: momentOf(at) }
}
