import { type Clock, type Statement } from '@stoa/kernel'

import { markSent } from './outbox.ts'

/** The most marks kept for a shard; beyond it the sweep marks instead. */
const marksMax = 1_000

/** Published events whose rows still say `ready`: their marks ride on the next batch to the same shard, for free. */
export type Marks = {
  add(shard: string, ids: readonly string[]): void
  /** The statement that marks what is held for `shard`, at most once for each event. */
  take(shard: string): readonly Statement[]
}

export function createMarks(clock: Clock): Marks {
  const held = new Map<string, string[]>()
  return {
    add: (shard, ids) => {
      const list = held.get(shard) ?? []
      list.push(...ids.slice(0, marksMax - list.length))
      held.set(shard, list)
    },
    take: (shard) => {
      const ids = held.get(shard)
      if (ids === undefined || ids.length === 0) return []
      held.delete(shard)
      return [markSent(ids, clock.now())]
    },
  }
}
