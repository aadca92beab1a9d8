import type { Call } from '@stoa/kernel'
import { slotText } from '@stoa/kernel'

import { slotOfBoard } from './buffer.ts'
import { boardSize } from './effects.ts'
import { mergeSummaries, type Summary } from './space-saving.ts'
import { type CountRouter, firstSlot } from './store.ts'
import { bucketOf } from './subject.ts'

/** One place of a leaderboard: the truth is from `count - error` to `count`. */
export type Ranked = { readonly item: string; readonly count: number; readonly error: number }

export type TopQuery = {
  /** `kind.metric`, or a name of one's own. */
  readonly board: string
  /** Starts of the windows to be added up, in milliseconds since 1970. */
  readonly starts: readonly number[]
  readonly limit: number
}

/** The heaviest items of a board over some windows. One round trip. */
export async function readBoard(
  router: CountRouter,
  { board, starts, limit }: TopQuery,
  call: Call,
): Promise<readonly Ranked[]> {
  const slot = slotOfBoard(board)
  const query = {
    sql: `SELECT start AS start, item AS item, n AS n, error AS error FROM count_top
WHERE slot = ? AND board = ? AND start IN (SELECT value FROM json_each(?))`,
    args: [slotText(slot), board, JSON.stringify(starts)],
  }
  const key = firstSlot(bucketOf(slot))
  const [rows] = await router.readMany([{ key, statement: query }], call)
  const byStart = Map.groupBy(rows?.rows ?? [], ([start]) => start)
  const summaries = [...byStart.values()].map((window): Summary => {
    const items = window.map(
      ([, item, n, error]) => [String(item), Number(n), Number(error)] as const,
    )
    const floor = items.length < boardSize ? 0 : Math.min(...items.map(([, count]) => count))
    return { floor, items }
  })
  const merged = mergeSummaries(summaries, Math.max(limit, boardSize))
  return merged.items.slice(0, limit).map(([item, count, error]) => ({ item, count, error }))
}
