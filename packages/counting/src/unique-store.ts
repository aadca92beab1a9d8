import {
  AmbiguousWriteError,
  type Call,
  slotOfId,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import { inWaves } from '@stoa/sharding'

import type { SeenHashes } from './flush.ts'
import { byShardOrThrow, type CountRouter, firstSlot } from './store.ts'
import { bucketOf } from './subject.ts'
import {
  decodeSketch,
  emptySketch,
  encodeSketch,
  sketchOf,
  type UniqueSketch,
  unionOf,
} from './unique.ts'

const triesMax = 6

/** Who is counted: an object, by a metric's name, in a period. */
export type UniqueKey = Omit<SeenHashes, 'hashes'>

export type Uniques = {
  /**
   * Adds who was seen. A union: doing it twice, or at the same time as others, changes nothing. Two round trips for each
   * shard touched, and two more each time that another came between.
   */
  merge(seen: readonly SeenHashes[], call: Call): Promise<void>
  /** The sketch of one key. One round trip. */
  read(key: UniqueKey, call: Call): Promise<UniqueSketch>
}

type Known = { readonly sketch: UniqueSketch; readonly version: number }

/** NOT NULL is the gate: an insert that finds another version than the one it was made from aborts the batch. */
function write(key: UniqueKey, sketch: UniqueSketch, version: number): Statement {
  return {
    sql: `INSERT INTO count_unique (slot, subject, metric, period, body, version) VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT (slot, subject, metric, period) DO UPDATE
SET body = excluded.body, version = CASE WHEN version = ? THEN version + 1 END`,
    args: [key.id.slice(0, 3), key.id, key.metric, key.period, encodeSketch(sketch), version],
  }
}

function slotsOf({ id }: SeenHashes): readonly number[] {
  return [slotOfId(id)]
}

function isPassed(error: unknown): boolean {
  return (
    error instanceof AmbiguousWriteError ||
    (error instanceof SqlConstraintError && error.type === 'not_null')
  )
}

export function createUniques(router: CountRouter): Uniques {
  const readAll = async (keys: readonly UniqueKey[], call: Call): Promise<readonly Known[]> => {
    const queries = keys.map(({ id, metric, period }) => ({
      key: firstSlot(bucketOf(slotOfId(id))),
      statement: {
        sql: `SELECT body AS body, version AS version FROM count_unique
WHERE slot = ? AND subject = ? AND metric = ? AND period = ?`,
        args: [id.slice(0, 3), id, metric, period],
      },
    }))
    const answers = await router.readMany(queries, call)
    return answers.map(({ rows: [row] }) => {
      const [body, version] = row ?? []
      const sketch = body instanceof Uint8Array ? decodeSketch(body) : emptySketch
      return { sketch, version: Number(version ?? 0) }
    })
  }
  const mergeGroup = async (seen: readonly SeenHashes[], call: Call): Promise<void> => {
    const slots = [...new Set(seen.map(({ id }) => firstSlot(bucketOf(slotOfId(id)))))]
    for (let tries = 1; ; tries += 1) {
      const known = await readAll(seen, call)
      const writes = seen.map((one, index) => {
        const { sketch, version } = known[index] ?? { sketch: emptySketch, version: 0 }
        return write(one, unionOf(sketch, sketchOf(one.hashes)), version)
      })
      try {
        await router.writeAll(slots, writes, call)
        return
      } catch (error) {
        if (!isPassed(error) || tries >= triesMax) throw error
      }
    }
  }
  return {
    merge: async (seen, call) => {
      const groups = await byShardOrThrow(router, { items: seen, slotsOf }, call)
      await inWaves(groups, (group) => mergeGroup(group, call))
    },
    read: async (key, call) => {
      const [known] = await readAll([key], call)
      return known?.sketch ?? emptySketch
    },
  }
}
