import { timeline0, timeline1, timeline2, timeline3 } from '@stoa/data/social'
import { shardedTable } from '@stoa/sharding'

const tables = {
  timeline_0: timeline0,
  timeline_1: timeline1,
  timeline_2: timeline2,
  timeline_3: timeline3,
}

/** Four tables by bits 6 and 7 of the slot, where databases are chosen by the highest bits: each has rows everywhere. */
const placed = shardedTable('timeline', { count: 4 })

const byName = new Map<string, typeof timeline0>(Object.entries(tables))

/** The table that the timeline of `owner` lies in, of one type whichever it is. */
export function timelineOf(owner: string): typeof timeline0 {
  const name = placed.tableOf(owner)
  const table = byName.get(name)
  if (table === undefined) throw new Error(`Cannot find the table "${name}": the schema has none`)
  return table
}
