import { slotText } from '@stoa/kernel'

import type { Sums } from './effects.ts'
import type { Kind } from './kind.ts'
import { pageOf, restDigitsMax, rowKeyOf, slotOf } from './subject.ts'

/**
 * Rows on their way into a database: a JSON array of texts that SQL cuts by position, at a third of what it takes to
 * read lists of numbers. Slot and page take 3 characters each, the rest of the id 22, and each delta `width`.
 */
export type RowSet = {
  readonly json: string
  readonly width: number
  /** The id of each row. */
  readonly ids: readonly string[]
}

const counterMax = Number.MAX_SAFE_INTEGER
const [restAt, deltasAt] = [7, 7 + restDigitsMax]

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
    const { slot, rest } = rowKeyOf(id)
    const place = slot + slotText(pageOf(slotOf(id), pages))
    json += `${json === '' ? '"' : ',"'}${place}${rest.padEnd(restDigitsMax)}`
    for (const by of sums.get(id) ?? []) json += String(clamped(by)).padStart(width)
    json += '"'
  }
  return { json: `[${json}]`, width, ids }
}

/** SQL for the parts of `row`, the value of one element. */
export const partOf = {
  slot: (row: string): string => `substr(${row}, 1, 3)`,
  page: (row: string): string => `substr(${row}, 4, 3)`,
  id: (row: string): string => `unhex(substr(${row}, ${restAt}, ${restDigitsMax}), ' ')`,
  delta: (row: string, index: number, width: number): string =>
    `CAST(substr(${row}, ${deltasAt + index * width}, ${width}) AS INTEGER)`,
} as const
