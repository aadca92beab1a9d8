import { type Entry, type Judge, judgeHotView, type Look } from '@stoa/reconciliation'

/** How long a lost publication may stay unseen, and a drain away: what Redis then still shows otherwise is wrong. */
export const hotSettleMs = 365_000
/** Clocks of services may differ by so much. */
const skewMs = 60_000

/** What Redis shows of an object. */
export type Shown = {
  readonly values: readonly number[]
  /** Of the object's bucket when it was read from its database. */
  readonly seq: number
  /** When that was, in milliseconds since 1970. */
  readonly at: number
}

const epochMs = 1_577_836_800_000

/** Reads `n,n:seq:at`; nothing for what no reader would take for a value. */
export function readShown(text: string): Shown | undefined {
  const parts = /^(-?\d+(?:,-?\d+)*):([0-9a-z]+):([0-9a-z]+)$/.exec(text)
  if (parts === null) return undefined
  const [, numbers = '', seq = '', at = ''] = parts
  const shown = {
    values: numbers.split(',').map(Number),
    seq: Number.parseInt(seq, 36),
    at: Number.parseInt(at, 36) * 1_000 + epochMs,
  }
  return [...shown.values, shown.seq, shown.at].every(Number.isSafeInteger) ? shown : undefined
}

/**
 * Whether what is shown cannot be right any more. A lower value is, for a while: what was counted since may not have
 * been published. A higher one never is, for these counts do not go down; nor another one of the same moment.
 */
function isWrong(
  shown: Shown,
  row: Pick<Shown, 'values' | 'seq'>,
  { now, horizon }: Look,
): boolean {
  if (shown.seq > row.seq || shown.at > now + skewMs) return true
  const pairs = shown.values.map((value, index) => [value, row.values[index] ?? 0] as const)
  if (pairs.every(([one, other]) => one === other)) return false
  const isPast = pairs.every(([one, other]) => one <= other) && shown.seq < row.seq
  return !isPast || shown.at <= horizon
}

function entryOf(key: string, value: number, seq: number): readonly Entry[] {
  return [{ key, at: 0, fields: { value, seq } }]
}

/**
 * Rows of counters, each with `row` (values), `seq` and `view`, which is as it stands in Redis. What is not shown there,
 * or in a form that no reader takes, is no break: it is a cache.
 */
export const judgeShown: Judge = ({ key, entries: [rows = []] }, look) => {
  const [entry] = rows
  const { row, seq: rowSeq, view } = entry?.fields ?? {}
  const shown = typeof view === 'string' ? readShown(view) : undefined
  const values = String(row).split(',').map(Number)
  const seq = Number(rowSeq)
  if (shown === undefined || shown.values.length !== values.length) return []
  if (!isWrong(shown, { values, seq }, look)) return []
  const other = shown.values.findIndex((value, index) => value !== values[index])
  const index = Math.max(0, other)
  // Of the right values only the time can be wrong: as if they were old, they are to be shown anew.
  const past = other === -1 ? seq - 1 : seq
  const shownSeq = shown.seq > seq ? shown.seq : past
  const found = judgeHotView(
    {
      key,
      entries: [
        entryOf(key, values[index] ?? 0, seq),
        entryOf(key, shown.values[index] ?? 0, shownSeq),
      ],
    },
    look,
  )
  return found.map((finding) => ({
    ...finding,
    detail: { ...finding.detail, view: String(view) },
  }))
}
