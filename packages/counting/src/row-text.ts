import { slotText } from '@stoa/kernel'

import type { Sums } from './effects.ts'
import type { Kind } from './kind.ts'
import { pageOf, rowKeyOf, slotOf } from './subject.ts'

/**
 * Rows on their way into a database: a JSON array of texts that SQL cuts by position, at a third of what it takes to
 * read lists of numbers. Slot and page take 3 characters each, hi 16, lo 11, and each delta `width`.
 */
export type RowSet = {
  readonly json: string
  readonly width: number
  /** The id of each row. */
  readonly ids: readonly string[]
}

const counterMax = Number.MAX_SAFE_INTEGER
const [hiAt, loAt, deltasAt] = [7, 23, 34]

function clamped(by: number): number {
  return Math.max(-counterMax, Math.min(counterMax, by))
}

function widestOf(ids: readonly string[], sums: Sums): number {
  let [least, most] = [0, 0]
  for (const id of ids) {
    for (const by of sums.get(id) ?? []) {
      least = Math.min(least, by)
      most = Math.max(most, by)
    }
  }
  return Math.max(String(clamped(least)).length, String(clamped(most)).length)
}

/** Rows by slot: neighbours are twice as fast to write. */
export function rowsOf(kind: Kind, sums: Sums): RowSet {
  const ids = [...sums.keys()].toSorted()
  const width = widestOf(ids, sums)
  const pages = kind.pagesPerBucket ?? 1
  let json = ''
  // By hand, and as one text: 25,000 lists would be garbage at once.
  for (const id of ids) {
    const { slot, hi, lo } = rowKeyOf(id)
    const place = slot + slotText(pageOf(slotOf(id), pages))
    json += `${json === '' ? '"' : ',"'}${place}${String(hi).padStart(16)}${String(lo).padStart(11)}`
    for (const by of sums.get(id) ?? []) json += String(clamped(by)).padStart(width)
    json += '"'
  }
  return { json: `[${json}]`, width, ids }
}

function whole(row: string, at: number, width: number): string {
  return `CAST(substr(${row}, ${at}, ${width}) AS INTEGER)`
}

/** SQL for the parts of `row`, the value of one element. */
export const partOf = {
  slot: (row: string): string => `substr(${row}, 1, 3)`,
  page: (row: string): string => `substr(${row}, 4, 3)`,
  hi: (row: string): string => whole(row, hiAt, 16),
  lo: (row: string): string => whole(row, loAt, 11),
  delta: (row: string, index: number, width: number): string =>
    whole(row, deltasAt + index * width, width),
} as const
